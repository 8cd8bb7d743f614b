import logging
import sys
import time

from registrail.local.logs import FieldsFormatter


def test_fields_follow_the_message() -> None:
    """A record's own fields are shown behind its message, and nothing else is."""
    record = logging.makeLogRecord(
        {"msg": "delivery %s", "args": ("accepted",), "name": "registrail", "levelname": "INFO", "host": "a\n"}
    )
    at = time.strftime("%H:%M:%S", time.localtime(record.created))

    assert FieldsFormatter().format(record) == f"{at} INFO registrail: delivery accepted host='a\\n'"


def test_a_traceback_comes_below() -> None:
    """What went wrong is shown in lines of its own."""
    try:
        raise ValueError("why")
    except ValueError:
        record = logging.makeLogRecord({"msg": "it failed", "exc_info": sys.exc_info()})

    first, *_, last = FieldsFormatter().format(record).splitlines()
    assert (first.endswith(": it failed"), last) == (True, "ValueError: why")
