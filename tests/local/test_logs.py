import logging

from registrail.local.logs import FieldsFormatter


def test_fields_follow_the_message() -> None:
    """A record's own fields are shown behind its message, and nothing else is."""
    record = logging.makeLogRecord({"msg": "delivery %s", "args": ("accepted",), "name": "registrail", "host": "a\n"})

    assert FieldsFormatter("%(name)s: %(message)s").format(record) == "registrail: delivery accepted host='a\\n'"
