"""Logs for a person at a terminal."""

import logging
import time
from functools import lru_cache

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class FieldsFormatter(logging.Formatter):
    """One line with the fields that came with the message, as `name=value`, without control characters in them.

    `logging` puts a line together from a format; that of a delivery took more time than its JSON.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The time of day, level, logger, message and fields; a traceback below them."""
        begin = f"{_time_of_day(int(record.created))} {record.levelname} {record.name}: {record.getMessage()}"
        fields = [f"{name}={value!r}" for name, value in vars(record).items() if name not in _STANDARD]
        line = " ".join([begin, *fields])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


@lru_cache(maxsize=1)
def _time_of_day(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def log_to_stderr() -> None:
    """Show what the app says, and from libraries only warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(FieldsFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("registrail").setLevel(logging.INFO)
