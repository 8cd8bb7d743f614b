"""Notifications of the open-source registry (CNCF Distribution, versions 2 and 3) and what is built on it.

It reports layers and configs (`application/octet-stream`, `mount`) as well as manifests, and pulls, and it sends a
refused request again for ever.

Source: https://distribution.github.io/distribution/about/notifications/
"""

from collections.abc import Mapping
from typing import Any

from registrail.errors import MalformedError
from registrail.events import RegistryEvent
from registrail.senders import payload
from registrail.senders.sender import Batch, Request, Sender, read_each
from registrail.senders.target import read_event


def sender(*, keep_pulls: bool = False, keep_blobs: bool = False) -> Sender:
    """The sender; what is not kept is counted as ignored."""

    def read(index: int, report: Any, query: Mapping[str, str]) -> RegistryEvent | None:  # noqa: ANN401 - not read yet
        place = f"events[{index}]"
        event = read_event(payload.read_object(report, place), place=place, query=query)
        unwanted = (event.action == "pull" and not keep_pulls) or (event.concerns_blob and not keep_blobs)
        return None if unwanted else event

    def translate(request: Request) -> Batch:
        body = payload.read_object(payload.read_json(request.body), "the body")
        reports = body.get("events")
        if not isinstance(reports, list):
            raise MalformedError("events must be a list", reason="not-an-event")
        return read_each(reports, lambda index, report: read(index, report, request.query))

    return Sender(name="distribution", translate=translate, takes_no_for_an_answer=False)
