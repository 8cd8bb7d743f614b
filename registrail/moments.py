"""Times as people write them: RFC 3339, a date, or an age."""

import re
from datetime import timedelta
from typing import Final

from registrail.errors import InvalidParameterError
from registrail.instants import Instant

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(parameter: str, text: str | None, now: Instant) -> Instant | None:
    """A time as RFC 3339 (a date alone is its beginning in UTC) or as an age: `90m`, `24h`, `7d`, `2w`.

    Raises:
        InvalidParameterError: it is neither.
    """
    if not text:
        return None
    age = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if age:
        return now.plus(-timedelta(**{_UNITS[age[2]]: int(age[1])}))
    # A "+" in a URL that was not encoded arrives as a space.
    written = re.sub(r" (?=[0-9]{2}:?[0-9]{2}$)", "+", text)
    try:
        return Instant.parse(f"{written}T00:00:00Z" if len(written) == len("2026-01-31") else written)
    except ValueError as error:
        raise InvalidParameterError(
            parameter,
            f"{text[:64]!r} is neither a time such as 2026-01-31T12:00:00Z nor an age such as 24h or 7d",
        ) from error
