"""Everything that Registrail raises on purpose.

RegistrailError
├── MalformedError           what a sender sent cannot be read
├── TooLargeError            what a sender sent is larger than the limit
├── UnknownSenderError       nobody speaks that sender's language here
├── InvalidParameterError    a reader's parameter cannot be understood
├── SettingsError            the app's settings are wrong; names every problem at once
├── BusyError                somebody else is at it already
├── ConflictError            somebody else changed an entity first; nothing was written
└── StorageError
    ├── StorageUnavailableError   try again later: throttled, timed out, unreachable
    └── StorageRefusedError       trying again will not help: no permission, not a valid request
        └── NewerTablesError      a newer Registrail wrote the tables
"""

from collections.abc import Sequence

from registrail.instants import Instant


class RegistrailError(Exception):
    """The root. `reason` is a slug for logs, metrics and the delivery log."""

    reason = "error"


class MalformedError(RegistrailError):
    """A body, or one event in it, that cannot be read; the message names the place and the problem."""

    reason = "malformed"

    def __init__(self, message: str, *, reason: str = reason) -> None:
        super().__init__(message)
        self.reason = reason


class TooLargeError(RegistrailError):
    """A body beyond `limit` bytes."""

    reason = "too-large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes (REGISTRAIL_MAX_BODY_BYTES)")
        self.limit = limit


class UnknownSenderError(RegistrailError):
    """The last part of `/hooks/{sender}` names no known sender."""

    reason = "unknown-sender"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no sender {name!r}; known are {', '.join(known)}")


class InvalidParameterError(RegistrailError):
    """A reader's parameter; `parameter` is its name."""

    reason = "invalid-parameter"

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter}: {message}")
        self.parameter = parameter


class SettingsError(RegistrailError):
    """The settings are wrong; `problems` has one line for each."""

    reason = "settings"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class BusyError(RegistrailError):
    """Somebody else is rebuilding the history of a registry, at least until `until` if it is known."""

    reason = "busy"

    def __init__(self, registry: str, until: Instant | None) -> None:
        when = f"; if that one was interrupted, try again after {until.isoformat()[:19]}Z" if until else ""
        super().__init__(f"the history of {registry} is being rebuilt by somebody else{when}")


class ConflictError(RegistrailError):
    """The operation at `index` of a commit met another version than it expected; nothing was written."""

    reason = "conflict"

    def __init__(self, index: int) -> None:
        super().__init__(f"operation {index} met another version than it expected")
        self.index = index


class StorageError(RegistrailError):
    """The store did not do what it was asked to."""

    reason = "storage"


class StorageUnavailableError(StorageError):
    """The store cannot answer now; the same request may succeed later."""

    reason = "storage-unavailable"


class StorageRefusedError(StorageError):
    """The store refuses the request for good."""

    reason = "storage-refused"


class NewerTablesError(StorageRefusedError):
    """A newer Registrail wrote the tables, so this one would misread them, and spoil them."""

    reason = "newer-tables"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the tables are of version {found}, and this Registrail knows versions up to {known}: "
            "run the newer one again (docs/operations.md)"
        )
        self.found = found
        self.known = known

    def __copy__(self) -> "NewerTablesError":
        return NewerTablesError(self.found, self.known)
