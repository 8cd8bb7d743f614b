"""What tests share."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta

import hypothesis
import pytest
import pytest_socket

from registrail.compose import UseCases, use_cases
from registrail.instants import Instant
from registrail.local.azurite import azurite
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore

# How long an example takes is the machine's business.
hypothesis.settings.register_profile("registrail", deadline=None)
hypothesis.settings.load_profile("registrail")

_WITH_SOCKETS = ("sockets", "azurite", "browser", "registry", "platform")


@pytest.fixture(autouse=True)
def _sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sockets only where a marker says so, and then only on loopback."""
    if any(request.node.get_closest_marker(marker) for marker in _WITH_SOCKETS):
        pytest_socket.enable_socket()
        pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
    yield
    pytest_socket.disable_socket(allow_unix_socket=True)


@dataclass
class Clock:
    """A clock that stands still until it is told to go on."""

    now: Instant

    def __call__(self) -> Instant:
        return self.now

    def advance(self, **by: float) -> None:
        """Go on by what a timedelta is made of."""
        self.now = self.now.plus(timedelta(**by))


@pytest.fixture
def clock() -> Clock:
    """Stand at noon of a day in 2026."""
    return Clock(Instant.parse("2026-06-15T12:00:00Z"))


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    """Keep everything in memory."""
    opened = SqliteStore(":memory:")
    yield opened
    await opened.close()


@pytest.fixture
def app(store: SqliteStore, clock: Clock) -> UseCases:
    """Put the use cases on the store in memory."""
    return use_cases(store, Settings(storage="sqlite:///:memory:"), clock)


@pytest.fixture(scope="session")
def azurite_connection_string() -> Iterator[str]:
    """Run Azurite, with everything in memory, until the tests are over."""
    pytest_socket.enable_socket()
    with azurite() as connection_string:
        yield connection_string
