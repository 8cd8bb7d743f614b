"""The pages about repositories, tags, digests and deletes, as text; `tests/browser` looks at them in a browser."""

import html
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any, Final

import httpx
import pytest

from bench.fill import fill
from bench.story import INDEX, REGISTRY, REPOSITORY, delete, digest_of, push, told
from bench.year import year
from registrail.compose import UseCases, use_cases
from registrail.errors import StorageError
from registrail.instants import Instant
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.web.app import web_app
from registrail.web.rendering import link
from tests.counting import Counting

NOW: Final = Instant.parse("2026-02-01T12:00:00Z")
MOST_REQUESTS: Final = 8
STRANGE: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{7*7}}",
    "\u05e9\u05d7\u05e8\u05d5\u05e8-1",
    "\u202egnp.exe",
    "\U0001f680-\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "../../etc/passwd",
    "v" * 255,
)
OUR_SCRIPTS: Final = re.compile(r"/static/[0-9a-f]{12}/(vendor/)?[a-z.]+\.js")


class Broken(Counting):
    """A store that does not answer."""

    async def scan(self, *_: Any, **__: Any) -> Any:
        raise StorageError("the store did not answer within 20 s")


def opened(store: Any) -> tuple[UseCases, httpx.AsyncClient]:
    """The use cases on a store, and who asks for pages."""
    app = use_cases(store, Settings(storage="sqlite:///:memory:"), lambda: NOW)
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:")))
    return app, httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost")


@pytest.fixture
async def http(store: SqliteStore) -> AsyncIterator[httpx.AsyncClient]:
    """Ask for pages; what the store has is counted when somebody asks."""
    _, client = opened(store)
    async with client:
        yield client


class Page(HTMLParser):
    """What a browser makes of a page: elements with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def links(self, path: str) -> set[str]:
        """Where links to a path lead."""
        found = {attributes.get("href") or "" for tag, attributes in self.elements if tag == "a"}
        return {address for address in found if address.partition("?")[0] == path}

    def classed(self, name: str) -> list[dict[str, str | None]]:
        """The attributes of the elements of a class."""
        return [found for _, found in self.elements if name in (found.get("class") or "").split()]


async def page_of(http: httpx.AsyncClient, path: str, status: int = 200, **parameters: str) -> Page:
    """Read a page."""
    answer = await http.get(path, params={"registry": REGISTRY, **parameters})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    return Page(answer.text)


async def story(store: SqliteStore) -> None:
    """`v1` is pushed, moved, deleted with `stable`; `latest` moves, and is left."""
    await fill(
        store,
        told(
            push("08:00", "a", tag="v1", actor="ann"),
            push("09:00", "b", tag="v1", actor="ben", client="buildkit/v0.17"),
            push("10:00", "b", tag="stable"),
            push("11:00", "c", tag="latest"),
            push("11:30", "b", tag="copy", repository="team/other"),
            push("11:40", "d", tag=f"sha256-{'c' * 64}.sig"),
            delete("12:00", digest="b", actor="eve"),
        ),
    )


async def test_an_empty_store(http: httpx.AsyncClient) -> None:
    """Lists say what to do; a page of something says that there is nothing."""
    for path in ("/repositories", "/deletes"):
        answer = await http.get(path)
        page = Page(answer.text)
        assert (answer.status_code, "Nothing has been recorded yet" in page.text) == (200, True)
        assert page.links("/set-up") == {"/set-up"}
    for path in ("/repository?repository=a", "/tag?repository=a&tag=b", "/digest?digest=c", "/delete?event=d"):
        answer = await http.get(path)
        assert (answer.status_code, "Nothing has been recorded yet" in answer.text) == (404, True)


async def test_the_list_of_repositories(store: SqliteStore, http: httpx.AsyncClient) -> None:
    """All, or those whose names begin so."""
    await story(store)
    page = await page_of(http, "/repositories")
    assert page.links("/repository") == {
        link("/repository", registry=REGISTRY, repository=name) for name in (REPOSITORY, "team/other")
    }
    page = await page_of(http, "/repositories", prefix="team/o")
    assert page.links("/repository") == {link("/repository", registry=REGISTRY, repository="team/other")}
    page = await page_of(http, "/repositories", prefix="nothing")
    assert "No repository begins with this" in page.text


async def test_the_page_of_a_repository(store: SqliteStore, http: httpx.AsyncClient) -> None:
    """The picture has a lane for each tag, and what is in it leads on; the table has the tags that are there."""
    await story(store)
    page = await page_of(http, "/repository", repository=REPOSITORY)
    stretches = [(found["class"] or "").split()[1] for found in page.classed("stretch")]
    assert sorted(stretches) == ["gone", "gone", "held", "held", "held", "held"]
    assert [len(page.classed(name)) for name in ("lane", "cross")] == [3, 2]
    [event] = {address.partition("event=")[2] for address in page.links("/delete")}
    gone = {one["href"] for one in page.classed("stretch") if "gone" in (one["class"] or "")}
    assert gone == {link("/delete", registry=REGISTRY, event=event)}
    assert link("/digest", registry=REGISTRY, digest=digest_of("a")) in page.links("/digest")
    assert "v1 → sha256:aaaaaaaaaaaa from 2026-01-31 08:00:00 to 2026-01-31 09:00:00 UTC, by ann" in page.text
    assert "signed" in page.text
    assert [found.get("value") for _, found in page.elements if found.get("name") == "repository"] == [REPOSITORY]


async def test_a_digest_has_one_colour(store: SqliteStore, http: httpx.AsyncClient) -> None:
    """In the picture, in tables, and on every page."""
    await story(store)
    colours: dict[str, set[str]] = {}
    for path, wanted in (
        ("/repository", {"repository": REPOSITORY}),
        ("/tag", {"repository": REPOSITORY, "tag": "v1"}),
        ("/digest", {"digest": digest_of("b")}),
    ):
        text = (await http.get(path, params={"registry": REGISTRY, **wanted})).text
        for hue, digest in re.findall(r'swatch (hue-[0-9]+)"[^>]*></span>[^"]*"[^"]*digest=(sha256:[a-d]{64})', text):
            colours.setdefault(digest, set()).add(hue)
        for hue, digest in re.findall(r'held (hue-[0-9]+)" [^>]*data-digest="(sha256:[a-d]{64})', text):
            colours.setdefault(digest, set()).add(hue)
    assert {digest: len(hues) for digest, hues in colours.items()} == dict.fromkeys(map(digest_of, "abc"), 1)


@pytest.mark.parametrize("at", ["2026-01-31T09:30:00Z", "2026-01-31T09:30", "2026-01-31T09:30:00"])
async def test_tags_as_of_an_instant(store: SqliteStore, http: httpx.AsyncClient, at: str) -> None:
    """The page without a script, and the part that the slider fetches; also as a browser's field writes it."""
    await story(store)
    page = await page_of(http, "/repository", repository=REPOSITORY, at=at)
    [line] = page.classed("at-line")
    assert "visibility" not in line
    part = await page_of(http, "/repository", repository=REPOSITORY, at=at, part="tags")
    for shown in (page, part):
        assert "Tags as of 2026-01-31 09:30:00 UTC" in shown.text
        assert link("/tag", registry=REGISTRY, repository=REPOSITORY, tag="stable") not in part.links("/tag")
        assert link("/digest", registry=REGISTRY, digest=digest_of("b")) in shown.links("/digest")
    assert "html" not in {tag for tag, _ in part.elements}
    before = await page_of(http, "/repository", repository=REPOSITORY, at="2026-01-31T07:00:00Z", part="tags")
    assert "Nothing in this repository had a tag then" in before.text


async def test_the_page_of_a_tag(store: SqliteStore, http: httpx.AsyncClient) -> None:
    """What it points to, how to get that, who did what, and where to read on; as of now and of then."""
    await story(store)
    page = await page_of(http, "/tag", repository=REPOSITORY, tag="latest")
    assert f"docker pull {REGISTRY}/{REPOSITORY}@{digest_of('c')}" in page.text
    assert [one["data-copy"] for one in page.classed("copy")].count(digest_of("c")) > 0
    assert "signed" in page.text
    gone = await page_of(http, "/tag", repository=REPOSITORY, tag="v1")
    assert "What it pointed to was deleted" in gone.text
    assert "docker pull" not in gone.text
    assert [word in gone.text for word in ("ann", "ben", "buildkit/v0.17", "eve")] == [True] * 4
    assert len(gone.links("/delete")) == 1
    then = await page_of(http, "/tag", repository=REPOSITORY, tag="v1", at="2026-01-31T08:30:00Z")
    assert f"docker pull {REGISTRY}/{REPOSITORY}@{digest_of('a')}" in then.text
    assert digest_of("b") not in "".join(then.links("/digest"))


async def test_the_page_of_a_digest(store: SqliteStore, http: httpx.AsyncClient) -> None:
    """Which tags held it when, in which repositories, and what became of it; from there to the dossier and back."""
    await story(store)
    page = await page_of(http, "/digest", digest=digest_of("b"))
    assert page.links("/tag") >= {
        link("/tag", registry=REGISTRY, repository=repository, tag=tag)
        for repository, tag in ((REPOSITORY, "v1"), (REPOSITORY, "stable"), ("team/other", "copy"))
    }
    [dossier] = page.links("/delete")
    assert "Dossier of the delete" in page.text
    back = Page((await http.get(dossier)).text)
    assert link("/digest", registry=REGISTRY, digest=digest_of("b")) in back.links("/digest")


async def test_a_dossier(store: SqliteStore, http: httpx.AsyncClient) -> None:
    """What was removed, how old it was, by whom, and what still held it."""
    await story(store)
    [dossier] = (await page_of(http, "/deletes")).links("/delete")
    page = Page((await http.get(dossier)).text)
    assert "Something still held it" in page.text
    assert [word in page.text for word in ("eve", "portal", "ben", "3 h")] == [True] * 4
    assert page.links("/tag") == {
        link("/tag", registry=REGISTRY, repository=repository, tag=tag)
        for repository, tag in ((REPOSITORY, "v1"), (REPOSITORY, "stable"), ("team/other", "copy"))
    }
    [before] = {address for address in page.links("/repository") if "at=" in address}
    assert link("/digest", registry=REGISTRY, digest=digest_of("b")) in Page((await http.get(before)).text).links(
        "/digest"
    )


async def test_a_dossier_names_the_index(store: SqliteStore, http: httpx.AsyncClient) -> None:
    """That the deleted manifest is a part of."""
    await fill(
        store,
        told(
            push("08:00:00", "a"),
            push("08:00:01", "b", tag="multi", media_type=INDEX),
            delete("09:00", digest="a"),
        ),
    )
    [dossier] = (await page_of(http, "/deletes")).links("/delete")
    page = Page((await http.get(dossier)).text)
    assert "1 index that names it was still there" in " ".join(page.text.split())
    assert link("/digest", registry=REGISTRY, digest=digest_of("b")) in page.links("/digest")


async def test_deletes_are_filtered(store: SqliteStore, http: httpx.AsyncClient) -> None:
    """By what a delete names or removed; the filter is in the address, and in the form again."""
    await story(store)
    assert len((await page_of(http, "/deletes", tag="stable", actor="eve")).links("/delete")) == 1
    none = await page_of(http, "/deletes", actor="ann", since="30d")
    assert "No delete like this" in none.text
    assert {found["value"] for tag, found in none.elements if tag == "input"} >= {"ann", "30d"}


@pytest.mark.parametrize(
    ("path", "wanted", "near"),
    [
        ("/repository", {"repository": "team/ap"}, "team/app"),
        ("/tag", {"repository": REPOSITORY, "tag": "lates"}, "latest"),
        ("/digest", {"digest": "sha256:0"}, "Events that name it"),
        ("/delete", {"event": "0"}, "All deletes"),
    ],
)
async def test_unknown_things(
    store: SqliteStore, http: httpx.AsyncClient, path: str, wanted: dict[str, str], near: str
) -> None:
    """404, with what was asked for and what may have been meant."""
    await story(store)
    page = await page_of(http, path, 404, **wanted)
    assert (near in page.text, list(wanted.values())[-1] in page.text) == (True, True)


@pytest.mark.parametrize(
    ("path", "wanted", "word"),
    [
        ("/repository", {"repository": REPOSITORY, "at": "yesterday"}, "neither a time"),
        ("/repository", {"repository": REPOSITORY, "since": "<b>"}, "neither a time"),
        ("/repository", {"repository": REPOSITORY, "cursor": "?"}, "cursor"),
        ("/tag", {"repository": REPOSITORY, "tag": "v1", "cursor": "WyIiXQ"}, "cursor"),
        ("/tag", {"repository": REPOSITORY}, "tag"),
        ("/digest", {}, "digest"),
        ("/repositories", {"cursor": "?"}, "cursor"),
        ("/deletes", {"until": "tomorrow"}, "neither a time"),
    ],
)
async def test_addresses_that_do_not_work(
    store: SqliteStore, http: httpx.AsyncClient, path: str, wanted: dict[str, str], word: str
) -> None:
    """400, on a page that says what is wrong."""
    await story(store)
    page = await page_of(http, path, 400, **wanted)
    assert ("This address does not work" in page.text, word in page.text) == (True, True)


async def test_a_store_that_does_not_answer() -> None:
    """503 with when to try again, on a page that says so."""
    _, client = opened(Broken(SqliteStore(":memory:")))
    async with client as http:
        for path in ("/repositories?registry=r", "/repository?registry=r&repository=a", "/deletes?registry=r"):
            answer = await http.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
            assert "The store does not answer" in answer.text


async def test_the_only_registry_need_not_be_named(store: SqliteStore, http: httpx.AsyncClient) -> None:
    """An address without it leads to the one with it; where there are several, to a choice."""
    await story(store)
    answer = await http.get("/tag", params={"repository": REPOSITORY, "tag": "v1"})
    expected = link("/tag", repository=REPOSITORY, tag="v1", registry=REGISTRY)
    assert (answer.status_code, answer.headers["location"]) == (303, expected)
    await fill(store, told(push("08:00", "a", tag="v1", registry="other.example")))
    answer = await http.get("/tag", params={"repository": REPOSITORY, "tag": "v1"})
    assert (answer.status_code, len(Page(answer.text).links("/tag"))) == (404, 2)
    assert len(Page((await http.get("/repositories")).text).links("/repositories")) >= 2


async def test_strange_names_are_text(store: SqliteStore, http: httpx.AsyncClient) -> None:
    """Whatever a tag, a repository, or somebody is called, on every page: no element, no handler, no style."""
    await fill(
        store,
        told(
            *(
                push(f"08:{number:02}", f"{number:x}", tag=name, repository=name, actor=name, client=name)
                for number, name in enumerate(STRANGE)
            ),
            *(delete(f"09:{number:02}", tag=name, repository=name) for number, name in enumerate(STRANGE[:3])),
        ),
    )
    paths = ["/repositories", "/deletes"]
    for number, name in enumerate(STRANGE):
        paths += [
            link("/repository", registry=REGISTRY, repository=name),
            link("/tag", registry=REGISTRY, repository=name, tag=name),
            link("/tag", registry=REGISTRY, repository=name, tag=f"no{name}"),
            link("/digest", registry=REGISTRY, digest=digest_of(f"{number:x}")),
        ]
    paths += (await page_of(http, "/deletes")).links("/delete")
    seen = ""
    for path in paths:
        page = Page((await http.get(path)).text)
        seen += page.text
        scripts = [found.get("src") for tag, found in page.elements if tag == "script"]
        assert all(source and OUR_SCRIPTS.fullmatch(source) for source in scripts)
        attributes = {name for _, found in page.elements for name in found}
        assert {name for name in attributes if name.startswith("on") or name == "style"} == set()
        assert [found for tag, found in page.elements if tag == "img" and found.get("src") == "x"] == []
    assert [name for name in STRANGE if name not in seen] == []


async def test_long_lists_go_on(store: SqliteStore, http: httpx.AsyncClient) -> None:
    """With a link without a script, and with rows only for the script; all tags come once."""
    await fill(store, told(*(push(f"08:{n // 60:02}:{n % 60:02}", "a", tag=f"t{n:04}") for n in range(250)), seconds=1))
    page = await page_of(http, "/repository", repository=REPOSITORY, order="name")
    seen: list[str] = []
    while True:
        rows = [found["href"] or "" for found in page.classed("chip")]
        seen += [html.unescape(address).rpartition("tag=")[2] for address in rows]
        more = page.classed("more")
        if not more:
            break
        [address] = {found["hx-get"] or "" for found in more}
        page = Page((await http.get(address)).text)
        assert {tag for tag, _ in page.elements} & {"html", "table", "h2"} == set()
    assert seen == [f"t{n:04}" for n in range(250)]


async def test_very_many_tags(store: SqliteStore) -> None:
    """The picture is of the newest pushes, and the page says so; and that it cannot look at every signature."""
    counting = Counting(store)
    app, client = opened(counting)
    tags = [f"t{n:04}" for n in range(1_020)] + [f"sha256-{n:064x}.sig" for n in range(510)]
    await fill(
        counting, told(*(push(f"08:{n // 60:02}:{n % 60:02}", f"{n % 16:x}", tag=tag) for n, tag in enumerate(tags)))
    )
    await app.query.history.open(REGISTRY)
    counting.reset()
    async with client as http:
        page = await page_of(http, "/repository", repository=REPOSITORY)
        assert counting.total <= MOST_REQUESTS
        assert "There are more than a thousand tags" in page.text
        assert "a tag that is not called signed may be" in page.text
        assert len(page.classed("lane")) > 0
        by_name = link("/repository", registry=REGISTRY, repository=REPOSITORY, order="name")
        assert by_name in page.links("/repository")
        some = await page_of(http, "/repository", repository=REPOSITORY, prefix="t101")
        assert (len(some.classed("lane")), "more than a thousand" in some.text) == (10, False)


async def pages_of(http: httpx.AsyncClient, registry: str) -> list[str]:
    """Pages of all kinds, in all variants, of the busiest repositories."""
    found = ["/repositories", "/deletes", link("/deletes", registry=registry, actor="nobody")]
    listed = (await http.get("/api/repositories", params={"registry": registry, "limit": "100"})).json()["items"]
    for one in sorted(listed, key=lambda one: one["tags"], reverse=True)[:3]:
        name = one["repository"]
        variants: list[dict[str, str]] = [
            {},
            {"at": "2025-10-01"},
            {"prefix": "v"},
            {"order": "name"},
            {"since": "30d"},
        ]
        variants += [{"part": "pushes"}, {"part": "tags"}, {"part": "tags", "at": "2025-11-01"}]
        found += [link("/repository", registry=registry, repository=name, **variant) for variant in variants]
        wanted = {"registry": registry, "repository": name, "limit": "5", "present": "false"}
        for tag in (await http.get("/api/tags", params=wanted)).json()["items"]:
            found += [
                link("/tag", registry=registry, repository=name, tag=tag["tag"], at=at) for at in ("", "2025-11-01")
            ]
            if tag["digest"]:
                found.append(link("/digest", registry=registry, digest=tag["digest"]))
    deletes = (await http.get("/api/deletes", params={"registry": registry, "limit": "100"})).json()["items"]
    found += [link("/delete", registry=registry, event=one["event"]) for one in deletes[::5]]
    return found


async def test_every_page_makes_few_requests_of_the_store(store: SqliteStore) -> None:
    """At most eight, whatever there is; `make bench-web` says the same of 200,000 events."""
    counting = Counting(store)
    _, client = opened(counting)
    await fill(store, year(events=2_500, repositories=4, seed=3, regions=("westeurope", "eastus")))
    async with client as http:
        paths = await pages_of(http, "busy.example")
        assert len(paths) > 60
        made: dict[str, int] = {}
        for path in paths:
            counting.reset()
            answer = await http.get(path)
            assert answer.status_code in {200, 404}
            made[path] = counting.total
    assert {path: count for path, count in made.items() if count > MOST_REQUESTS} == {}
