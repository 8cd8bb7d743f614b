import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any, Final

import azure.functions as func
import httpx
import pytest

from registrail.access import AccessKey, digest_of, new_key
from registrail.compose import UseCases, use_cases
from registrail.functions import hooks
from registrail.local.host import host
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.web.app import web_app
from registrail.web.setup_pages import REQUESTS
from tests.conftest import Clock
from tests.counting import Counting

OPERATOR: Final = new_key(b"\x02" * 32)
KEYS: Final = (AccessKey(name="alice", role="operator", digest=digest_of(OPERATOR)),)
DESK: Final = Settings(storage="sqlite:///:memory:")
AZURE: Final = Settings(
    table_service_uri="https://a.table.core.windows.net",
    on_azure=True,
    access_keys=KEYS,
    site="registrail-7f3",
    resource_group="records",
)
HERE: Final = "http://registrail.localhost"
THERE: Final = "https://registrail-7f3.azurewebsites.net"
PUSH: Final = {
    "action": "push",
    "timestamp": "2026-06-15T11:59:00Z",
    "target": {"repository": "team/app", "tag": "v1", "digest": "sha256:0123456789abcdef"},
    "request": {"host": "r.azurecr.io", "id": "1"},
}
GRID: Final = {"eventType": "Microsoft.ContainerRegistry.ImagePushed", "topic": "/registries/r", "data": PUSH}
HARBOR: Final = {
    "type": "PUSH_ARTIFACT",
    "occur_at": 1_781_524_000,
    "event_data": {
        "resources": [{"digest": "sha256:1", "tag": "v1", "resource_url": "harbor.test/team/app:v1"}],
        "repository": {"repo_full_name": "team/app"},
    },
}
README: Final = Path(__file__).parents[2] / "README.md"


@asynccontextmanager
async def client(app: UseCases, settings: Settings = DESK, base_url: str = HERE) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the web app without a socket."""
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, settings))
    headers = {"authorization": f"Bearer {OPERATOR}"} if settings.access_keys else {}
    async with httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers) as http:
        yield http


async def page(http: httpx.AsyncClient, status: int = 200, **parameters: str) -> str:
    """The HTML of the page."""
    answer = await http.get("/set-up", params=parameters, headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    return answer.text


async def received(app: UseCases, sender: str, said: Any, agent: str = "AzureContainerRegistry/1.0") -> None:
    """Receive a request."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    await app.ingest.receive(sender, Request(body=body, headers={"user-agent": agent}), path=f"/hooks/{sender}")


def text_of(html: str) -> str:
    """What people read, with single spaces."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", html)).split())


def commands(html: str) -> list[str]:
    """What is there to copy, each with single spaces."""
    return [unescape(found) for found in re.findall('data-copy="([^"]*)"', html)]


def plain(command: str) -> str:
    """A command on one line."""
    return " ".join(command.replace("\\\n", " ").split())


def state(html: str, sender: str) -> tuple[str, str]:
    """How far a way has come: a word for the machine and a sentence for people."""
    [(name, told)] = re.findall(f'<p class="state ([a-z]+)" id="state-{sender}"[^>]*>(.*?)</p>', html, re.DOTALL)
    return name, text_of(told)


# The commands


async def test_the_commands_are_those_of_the_readme(app: UseCases) -> None:
    """With this app's address and names in place of the placeholders, and with the key from the shell."""
    written = README.read_text("utf-8")
    blocks = re.findall("```(?:console|yaml)\n(.*?)```", written, re.DOTALL)
    wanted = [
        block for block in blocks if "webhook create" in block or "eventgrid" in block or "notifications" in block
    ]
    assert len(wanted) == 3
    async with client(app, AZURE, THERE) as http:
        shown = [plain(command).replace("$KEY", "KEY") for command in commands(await page(http))]
    for block in wanted:
        here = (
            block.replace("https://APP", THERE)
            .replace("GROUP", "records")
            .replace("--name APP", "--name registrail-7f3")
        )
        assert plain(here) in shown
    [hook] = re.findall("`(--endpoint-type webhook [^`]*)`", written)
    assert [hook.replace("https://APP", THERE) in command for command in shown].count(True) == 1


async def test_no_secret_is_shown(app: UseCases) -> None:
    """The page has a command that makes a key, and no key; the shell puts it in."""
    async with client(app, AZURE, THERE) as http:
        html = await page(http, registry="contoso")
    [key] = [command for command in commands(html) if "keys set" in command]
    assert "--key-name contoso --output none" in key
    assert "KEY=$(az functionapp keys list --resource-group records --name registrail-7f3" in key
    assert "--query functionKeys.contoso " in key
    assert re.findall("x-functions-key=(?!\\$KEY)|code=(?!\\$?KEY)", " ".join(commands(html))) == []


@pytest.mark.parametrize(
    ("settings", "base_url", "headers", "address"),
    [
        (AZURE, THERE, {}, THERE),
        (AZURE, "http://registrail-7f3.azurewebsites.net", {}, THERE),
        (
            replace(DESK, access_keys=KEYS),
            "http://records.test:8443",
            {"x-forwarded-proto": "https"},
            "https://records.test:8443",
        ),
        (
            replace(DESK, access_keys=KEYS),
            "http://records.test",
            {"x-forwarded-proto": "https, http"},
            "https://records.test",
        ),
        (DESK, "http://localhost:7071", {}, "http://localhost:7071"),
        (DESK, "http://[::1]:7071", {}, "http://[::1]:7071"),
        (AZURE, THERE, {"host": "a$(reboot)b"}, "https://APP"),
    ],
)
async def test_the_address_is_the_one_that_was_asked(
    app: UseCases, settings: Settings, base_url: str, headers: dict[str, str], address: str
) -> None:
    """As the browser sees it, whatever is in front; a host that a shell would run is not repeated."""
    async with client(app, settings, base_url) as http:
        answer = await http.get("/set-up", headers=headers)
    hooks_named = {
        found for command in commands(answer.text) for found in re.findall(r"(https?://[^/\s]*)/hooks", command)
    }
    assert hooks_named == {address}


async def test_the_registry_and_its_regions_are_put_in(app: UseCases) -> None:
    """A webhook for each region, named and placed for it."""
    async with client(app) as http:
        shown = [
            plain(command)
            for command in commands(await page(http, registry="Contoso.azurecr.io", regions="westeurope, EastUS"))
        ]
    created = [command for command in shown if "webhook create" in command]
    assert [re.findall(r"--(?:registry|name|location) (\S+)", command) for command in created] == [
        ["contoso", "registrailwesteurope", "westeurope"],
        ["contoso", "registraileastus", "eastus"],
    ]
    assert [
        f'{HERE}/hooks/acr?region={name}"' in command
        for name, command in zip(("westeurope", "eastus"), created, strict=True)
    ] == [True, True]


@pytest.mark.parametrize(
    "parameters",
    [
        {"registry": "a; reboot"},
        {"registry": "abc"},
        {"registry": "<script>alert(1)</script>"},
        {"regions": "west europe $(reboot)"},
        {"regions": "x" * 500},
        {"regions": " ".join(["westeurope"] * 50)},
    ],
)
async def test_nothing_else_is_put_in(app: UseCases, parameters: dict[str, str]) -> None:
    """What would be no name of a registry is not written into a command that somebody pastes into a shell."""
    async with client(app) as http:
        html = await page(http, 400, **parameters)
    assert ("reboot" in html, "<script>" in html, commands(html)) == (False, False, [])


async def test_behind_the_platforms_sign_in(app: UseCases) -> None:
    """Event Grid cannot call the function there, so only the hook is offered."""
    async with client(app, replace(AZURE, behind_sign_in=True), THERE) as http:
        html = await page(http)
    assert [("functions/receive_event" in html), ("/hooks/eventgrid?code=$KEY" in html)] == [False, True]


async def test_on_a_desk(app: UseCases) -> None:
    """The page says that nothing in the cloud finds it, asks for no key, and has something to try."""
    async with client(app) as http:
        html = await page(http)
    assert "This app runs on this machine" in html
    assert "KEY" not in html
    assert f"registrail send push --to {HERE} --registry myregistry.azurecr.io" in html


async def test_the_configuration_is_yaml(app: UseCases) -> None:
    """As the registry reads it."""
    yaml = pytest.importorskip("yaml")
    async with client(app, AZURE, THERE) as http:
        [written] = [command for command in commands(await page(http)) if "endpoints" in command]
    [endpoint] = yaml.safe_load(written)["notifications"]["endpoints"]
    assert (endpoint["url"], endpoint["headers"]) == (f"{THERE}/hooks/distribution", {"x-functions-key": ["KEY"]})


async def test_the_webhook_of_harbor_is_json(app: UseCases) -> None:
    """As its API takes it."""
    async with client(app, AZURE, THERE) as http:
        [written] = [command for command in commands(await page(http)) if "HARBOR" in command]
    policy = json.loads(written.partition("--data '")[2].removesuffix("'"))
    assert policy["targets"] == [{"type": "http", "address": f"{THERE}/hooks/harbor?code=KEY"}]


# Turning green


@pytest.mark.parametrize(
    ("sender", "said", "registry"),
    [
        ("acr", PUSH, "r.azurecr.io"),
        ("eventgrid", [GRID], "r.azurecr.io"),
        ("distribution", {"events": [PUSH]}, "r.azurecr.io"),
        ("harbor", HARBOR, "harbor.test"),
    ],
)
async def test_a_way_turns_green(app: UseCases, clock: Clock, sender: str, said: Any, registry: str) -> None:
    """With the first event that came this way, and only this one; the part that is asked for again says when."""
    async with client(app) as http:
        before = await page(http)
        assert {state(before, name)[0] for name in app.ingest.senders} == {"waiting"}
        assert "Waiting for the first event" in text_of(before)
        [again] = re.findall('hx-get="([^"]*)" hx-trigger="every 5s, registrail:refresh"', before)
        await received(app, sender, said)
        clock.advance(minutes=3)
        after = (await http.get(again)).text
        assert "<html" not in after
        for html in (after, await page(http)):
            name, told = state(html, sender)
            assert (name, f"last event 3 min ago from {registry} ." in told) == ("arrived", True)
            assert {state(html, other)[0] for other in app.ingest.senders if other != sender} == {"waiting"}
            assert "Connect a registry" in text_of(html)
    assert set(re.findall('id="([^"]*)"', after)) == {"summary", *(f"state-{name}" for name in app.ingest.senders)}
    assert after.count('hx-swap-oob="outerMorph"') == 1 + len(app.ingest.senders)


async def test_what_is_no_event_yet(app: UseCases, clock: Clock) -> None:
    """A ping of the registry, one of our own, sample data, and a request that could not be read."""
    async with client(app) as http:
        await received(app, "acr", {"action": "ping"}, "Registrail, to try itself")
        assert state(await page(http), "acr")[0] == "waiting"
        await received(app, "acr", {"action": "ping"})
        assert state(await page(http), "acr") == ("pinged", "A ping came 0 s ago ; waiting for the first event")
        clock.advance(seconds=1)
        await received(app, "acr", b"oops")
        name, told = state(await page(http), "acr")
        assert (name, "was not stored: the body is not JSON" in told) == ("refused", True)
        await received(app, "distribution", {"events": [PUSH | {"request": {"host": "sample-data.example"}}]})
        assert state(await page(http), "distribution")[0] == "sample"
        clock.advance(seconds=1)
        await received(app, "acr", PUSH)
        clock.advance(seconds=1)
        await received(app, "acr", b"oops")
        name, told = state(await page(http), "acr")
        assert (name, "one was not stored" in told) == ("arrived", True)


async def test_our_own_ping_by_the_button(app: UseCases) -> None:
    """It tries the app and not a registry, so nothing turns green, or says that a registry had pinged."""
    async with client(app) as http:
        assert 'action="/deliveries/ping"' in await page(http)
        await http.post("/deliveries/ping", headers={"sec-fetch-site": "same-origin"})
        assert state(await page(http), "acr")[0] == "waiting"


async def test_an_event_behind_many_pings(app: UseCases, clock: Clock) -> None:
    """It is found, also on a day before."""
    await received(app, "acr", PUSH)
    clock.advance(days=1)
    for _ in range(20):
        await received(app, "acr", {"action": "ping"})
    async with client(app) as http:
        assert state(await page(http), "acr")[0] == "arrived"


async def test_requests_to_the_store(store: SqliteStore, clock: Clock) -> None:
    """However many days and senders there are."""
    counting = Counting(store)
    app = use_cases(counting, DESK, clock)
    for _ in range(20):
        clock.advance(days=1)
        for sender in app.ingest.senders:
            await received(app, sender, b"")
    async with client(app) as http:
        for part in ("", "state"):
            counting.reset()
            await page(http, part=part)
            assert 1 <= counting.total <= REQUESTS


async def test_the_hooks_that_are_named_exist(app: UseCases) -> None:
    """Every address in a command is one that takes requests."""
    function_app = func.FunctionApp()
    function_app.register_functions(hooks.blueprint(app.ingest))
    async with client(app) as http:
        named = {found for command in commands(await page(http)) for found in re.findall(r"(/hooks/[a-z]+)", command)}
    transport = httpx.ASGITransport(host(function_app, route_prefix=""))
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as http:
        for path in named:
            assert (path, (await http.post(path, content=b"{}")).status_code in {200, 400}) == (path, True)
    assert named == {f"/hooks/{sender}" for sender in app.ingest.senders}
