"""Logs for a person at a terminal."""

import logging

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class FieldsFormatter(logging.Formatter):
    """One line with the fields that came with the message, as `name=value`, without control characters in them."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, without a traceback."""
        fields = [f"{name}={value!r}" for name, value in vars(record).items() if name not in _STANDARD]
        return " ".join([super().formatMessage(record), *fields])


def log_to_stderr() -> None:
    """Show what the app says, and from libraries only warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(FieldsFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("registrail").setLevel(logging.INFO)
