"""What strangers write stays text: repositories, tags, digests, people and programs are theirs to name."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
import pytest_socket

from registrail.query import DeleteFilter, DeliveryFilter
from registrail.web.rendering import link
from tests.browser.conftest import Visit, in_memory
from tests.browser.seed import NOON, receive
from tests.browser.serving import Site, serving

pytestmark = pytest.mark.browser

CORPUS: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "</title><script>alert(1)</script>",
    "</textarea></script></style><svg/onload=alert(1)>",
    "<!--",
    "{{7*7}}",
    "${alert(1)}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "\u202egnp.exe",
    "<ScRiPt\u2028>alert(1)",
    "]]><x>",
    "`-alert(1)-`",
    "<a hx-get=/ hx-trigger=load>",
    "<base href=//elsewhere.example/>",
)
REGISTRY: Final = "r.example"
RUN_OR_BUILT: Final = (
    "[src='x'], [onload], [onerror], [onfocus], base, iframe, object, embed, x, "
    "main script:not([type='application/json']), "
    "main [hx-get='/'][hx-trigger='load'], a[href^='javascript:'], a[href^='data:']"
)
"""Elements that are on a page only if something of the corpus was taken for markup."""


@pytest.fixture(scope="module")
def hostile() -> Iterator[Site]:
    """A site to which every text of the corpus was sent, in every place."""
    pytest_socket.enable_socket()
    with serving(in_memory, clock=lambda: NOON) as site:
        site.run(_record(site))
        yield site


async def _record(site: Site) -> None:
    for number, text in enumerate(CORPUS):
        for minutes, action, host in ((3, "push", REGISTRY), (2, "delete", REGISTRY), (1, text, text)):
            await receive(site, _webhook(text, action, host, 60 * number + minutes))
    await site.app.summarize.fold_all()


def _webhook(text: str, action: str, host: str, minutes: int) -> dict[str, Any]:
    """An event in which a text stands wherever one can."""
    return {
        "id": text,
        "timestamp": NOON.plus(timedelta(minutes=-minutes)).isoformat(),
        "action": action,
        "target": {"mediaType": text, "repository": text, "tag": text, "digest": text, "url": text},
        "request": {"id": text, "host": host, "method": text, "useragent": text, "addr": text},
        "actor": {"name": text},
        "source": {"instanceID": text},
    }


PLACES: Final = ("/", "/repositories", "/deletes", "/pushes", "/events", "/deliveries")


@pytest.mark.parametrize("path", PLACES)
def test_lists_show_it(visit: Visit, hostile: Site, path: str) -> None:
    """Nothing of it is run or becomes an element, and what the list shows is what was sent."""
    window = visit(hostile)
    page = window.go(path)
    assert page.locator(RUN_OR_BUILT).count() == 0
    assert CORPUS[0] in (page.locator("main").text_content() or "")


@pytest.mark.parametrize("text", CORPUS)
def test_pages_of_it_show_it(visit: Visit, hostile: Site, text: str) -> None:
    """Its own pages, lists filtered by it, and what is said where nothing is called so."""
    window = visit(hostile)
    for path in hostile.run(_paths(hostile, text)):
        page = window.go(path)
        assert (path, page.locator(RUN_OR_BUILT).count()) == (path, 0)
        shown = page.locator("main").text_content() or ""
        filled = page.locator("main input").evaluate_all("inputs => inputs.map(one => one.value).join()")
        assert text.lower() in shown.lower() + filled.lower(), path  # registries are hosts, in lower case
    window.forgiven.append("the server responded with a status of 404")
    for path in (
        link("/repository", registry=REGISTRY, repository=f"{text} "),
        link("/tag", registry=REGISTRY, repository=text, tag=f"{text} "),
        link("/digest", registry=REGISTRY, digest=f"{text} "),
    ):
        page = window.go(path)
        assert (path, page.locator(RUN_OR_BUILT).count()) == (path, 0)
        assert text in (page.locator("main").text_content() or ""), path


async def _paths(site: Site, text: str) -> list[str]:
    query = site.app.query
    [deletion, *_] = (await query.history.deletions(REGISTRY, DeleteFilter(repository=text), limit=1)).items
    deliveries = (await query.delivered(DeliveryFilter(), limit=200)).items
    [delivery, *_] = [one.id for one in deliveries if f'"repository": {_json(text)}'.encode() in one.body]
    return [
        link("/", registry=text.lower()),
        link("/repositories", registry=text.lower()),
        link("/repositories", registry=REGISTRY, prefix=text),
        link("/repository", registry=REGISTRY, repository=text),
        link("/tag", registry=REGISTRY, repository=text, tag=text),
        link("/digest", registry=REGISTRY, digest=text),
        link("/delete", registry=REGISTRY, event=deletion.event),
        link("/deletes", registry=REGISTRY, repository=text, actor=text),
        link("/events", repository=text, tag=text, actor=text),
        link("/pushes", registry=REGISTRY, repository=text),
        link("/delivery", id=delivery),
    ]


def _json(text: str) -> str:
    return json.dumps(text)
