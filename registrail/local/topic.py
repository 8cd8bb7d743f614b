"""Publishing happenings to a custom Event Grid topic, which then delivers them to whoever subscribes.

https://learn.microsoft.com/azure/event-grid/custom-topics
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.eventgrid.aio import EventGridPublisherClient

from registrail.local.delivery import Answer
from registrail.local.dialects import Dialect, cloud_event, grid_event
from registrail.local.simulate import Happening

_THE_TOPICS_OWN = ("topic", "metadataVersion")
"""Fields that a topic writes itself and refuses to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A custom topic as a channel; its input schema must be that of the dialect."""

    client: EventGridPublisherClient
    dialect: Dialect

    async def tell(self, happening: Happening, attempt: int) -> Answer:  # noqa: ARG002 - the SDK's headers are its own
        """Publish the happening by itself.

        Raises:
            UntellableError: Event Grid has no such event.
        """
        if self.dialect is Dialect.CLOUDEVENTS:
            event = cloud_event(happening)
        else:
            event = {name: value for name, value in grid_event(happening).items() if name not in _THE_TOPICS_OWN}
        try:
            await self.client.send(event)
        except HttpResponseError as error:
            return Answer(status=error.status_code, problem=error.message)
        except AzureError as error:
            return Answer(status=None, problem=error.message)
        return Answer(status=200)


@asynccontextmanager
async def opened(endpoint: str, key: str | None, dialect: Dialect) -> AsyncIterator[Topic]:
    """Open a topic with its key, or, without one, as whoever is signed in (`az login`, a managed identity).

    The SDK's own retries are off: one publication is one try, and `deliver` decides about more.
    """
    if key is not None:
        async with EventGridPublisherClient(endpoint, AzureKeyCredential(key), retry_total=0) as client:
            yield Topic(client=client, dialect=dialect)
        return
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - slow to import, and rarely needed

    async with (
        DefaultAzureCredential() as credential,
        EventGridPublisherClient(endpoint, credential, retry_total=0) as client,
    ):
        yield Topic(client=client, dialect=dialect)
