"""Harbor's project webhooks, in its default format and as CloudEvents; one request may name several artifacts.

Source: https://goharbor.io/docs/latest/working-with-projects/project-configuration/configure-webhooks/
"""

from collections.abc import Mapping
from typing import Any, Final

from registrail.errors import MalformedError
from registrail.events import RegistryEvent
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.senders import payload
from registrail.senders.sender import Batch, Request, Sender, read_each
from registrail.senders.target import region_name, registry_name

ACTIONS: Final = {
    "PUSH_ARTIFACT": "push",
    "DELETE_ARTIFACT": "delete",
    "PULL_ARTIFACT": "pull",
    "harbor.artifact.pushed": "push",
    "harbor.artifact.deleted": "delete",
    "harbor.artifact.pulled": "pull",
}
"""What we record; scans, quotas, replication and retention runs say nothing about what a tag points to."""

_UNIX_EPOCH: Final = Instant.parse("1970-01-01T00:00:00Z")
_LATEST_SECOND: Final = 200_000_000_000
"""In the year 8307; what is beyond is no time."""


def sender(*, keep_pulls: bool = False) -> Sender:
    """The sender; what is not kept is counted as ignored."""

    def translate(request: Request) -> Batch:
        body = payload.read_object(payload.read_json(request.body), "the body")
        action = ACTIONS.get(payload.required(body, "", "type"))
        if action is None or (action == "pull" and not keep_pulls):
            return Batch(ignored=1)
        place = "data" if "specversion" in body else "event_data"
        data = payload.read_object(body.get(place), place)
        resources = data.get("resources")
        if not isinstance(resources, list) or not resources:
            message = f"{place}.resources must be a list with at least one artifact"
            raise MalformedError(message, reason="not-an-event")
        repository = payload.read_object(data.get("repository"), f"{place}.repository")

        def read(index: int, resource: Any) -> RegistryEvent:  # noqa: ANN401 - not read yet
            return _artifact(
                payload.read_object(resource, f"{place}.resources[{index}]"),
                repository=payload.required(repository, f"{place}.repository", "repo_full_name"),
                action=action,
                body=body,
                query=request.query,
            )

        return read_each(resources, read)

    return Sender(name="harbor", translate=translate)


def _artifact(
    resource: Mapping[str, Any],
    *,
    repository: str,
    action: str,
    body: Mapping[str, Any],
    query: Mapping[str, str],
) -> RegistryEvent:
    digest = payload.identity(resource, "resource", "digest")
    tag = payload.identity(resource, "resource", "tag")
    url = payload.description(resource, "resource_url")
    return RegistryEvent(
        action=action,
        registry=registry_name(query, (url or "").partition("/")[0]),
        repository=repository,
        tag=None if tag == digest else tag,  # of an untagged artifact Harbor gives the digest for its tag
        digest=digest,
        occurred_at=payload.instant(body, "time") or _unix(body.get("occur_at")),
        event_id=payload.description(body, "id"),
        request_id=payload.description(body, "requestid"),
        actor=payload.description(body, "operator"),
        url=url,
        region=region_name(query.get("region")),
    )


def _unix(seconds: object) -> Instant | None:
    """Seconds since 1970; None if missing or absurd."""
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= _LATEST_SECOND:
        return None
    return Instant(_UNIX_EPOCH.ticks + seconds * TICKS_PER_SECOND)
