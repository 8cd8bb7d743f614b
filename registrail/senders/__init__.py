"""The senders that Registrail understands: one module each, gathered in one table."""

from collections.abc import Mapping

from registrail.senders import acr, distribution, eventgrid, harbor
from registrail.senders.sender import Sender


def senders(*, keep_pulls: bool = False, keep_blobs: bool = False) -> Mapping[str, Sender]:
    """All senders by the name that `/hooks/{sender}` has for them."""
    known = (
        acr.SENDER,
        eventgrid.SENDER,
        distribution.sender(keep_pulls=keep_pulls, keep_blobs=keep_blobs),
        harbor.sender(keep_pulls=keep_pulls),
    )
    return {sender.name: sender for sender in known}
