"""Connecting a registry: the commands for this app, and how far each way has come."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from fastapi import Request

from registrail.errors import InvalidParameterError, MalformedError, UnknownSenderError
from registrail.ingest import Ingest
from registrail.ports import Delivery
from registrail.settings import Settings
from registrail.web.access import is_https, is_loopback

SAMPLE_ENDING: Final = ".example"
"""Registries that cannot exist (RFC 2606): what the local host fills an empty store with."""
PING_AGENT: Final = "Registrail, to try itself"
"""The user agent of a ping that somebody sends from a page."""
REGISTRY: Final = "myregistry"

_REGISTRY: Final = re.compile("[a-zA-Z0-9]{5,50}")
_REGION: Final = re.compile("[a-z0-9]{3,30}")
_MOST_REGIONS: Final = 30
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._\[\]:-]{1,255}")

State = Literal["waiting", "sample", "pinged", "refused", "arrived"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where this app is and which registry is to be connected, as commands name them.

    Attributes:
        base: `https://…`, without a slash at the end.
        has_keys: whether senders must show one: the platform wants it, a desk does not.
        is_reachable: whether a registry in the cloud can find the way here.
        regions: of the registry's replicas, if it has some.
    """

    base: str
    has_keys: bool
    is_reachable: bool
    behind_sign_in: bool
    app: str = "APP"
    group: str = "GROUP"
    registry: str = REGISTRY
    regions: Sequence[str] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """Make a key for the registry, and keep it in the shell: it is neither on this page nor in the history."""
        at = f"--resource-group {self.group} --name {self.app}"
        name = f"'functionKeys.\"{self.registry}\"'" if self.registry[0].isdigit() else f"functionKeys.{self.registry}"
        return (
            f"az functionapp keys set {at} \\\n  --key-type functionKeys --key-name {self.registry} --output none",
            f"KEY=$(az functionapp keys list {at} \\\n  --query {name} --output tsv)",
        )

    @property
    def acr(self) -> tuple[str, ...]:
        """A webhook, or one in each region."""
        return tuple(self._webhook(region) for region in self.regions or ("",))

    def _webhook(self, region: str) -> str:
        where = f" --location {region}" if region else ""
        uri = f"{self.base}/hooks/acr" + (f"?region={region}" if region else "")
        shown = ' --headers "x-functions-key=$KEY"' if self.has_keys else ""
        return (
            f"az acr webhook create --registry {self.registry} --name registrail{region}{where} \\\n"
            "  --actions push delete quarantine chart_push chart_delete \\\n"
            f'  --uri "{uri}"{shown}'
        )

    @property
    def ping(self) -> str:
        """Have the registry try its webhook."""
        region = self.regions[0] if self.regions else ""
        return f"az acr webhook ping --registry {self.registry} --name registrail{region}"

    def _subscription(self, endpoint: str) -> str:
        return (
            "az eventgrid event-subscription create --name registrail \\\n"
            f"  --source-resource-id $(az acr show --name {self.registry} --query id --output tsv) \\\n"
            f"  {endpoint}"
        )

    @property
    def to_function(self) -> str:
        """An Event Grid subscription that calls the function."""
        found = f"az functionapp show --resource-group {self.group} --name {self.app} --query id --output tsv"
        return self._subscription(f"--endpoint-type azurefunction \\\n  --endpoint $({found})/functions/receive_event")

    @property
    def to_hook(self) -> str:
        """An Event Grid subscription that posts to the hook."""
        code = "?code=$KEY" if self.has_keys else ""
        return self._subscription(f'--endpoint-type webhook --endpoint "{self.base}/hooks/eventgrid{code}"')

    @property
    def distribution(self) -> str:
        """The open-source registry's configuration."""
        key = "      headers: {x-functions-key: [KEY]}\n" if self.has_keys else ""
        return (
            "notifications:\n  endpoints:\n    - name: registrail\n"
            f"      url: {self.base}/hooks/distribution\n{key}"
            "      timeout: 5s\n      threshold: 5\n      backoff: 5s"
        )

    @property
    def harbor(self) -> str:
        """A webhook of a Harbor project; Harbor sends no header of our choice, so the key is in the address."""
        code = "?code=KEY" if self.has_keys else ""
        return (
            "curl --user admin --header 'content-type: application/json' \\\n"
            "  https://HARBOR/api/v2.0/projects/PROJECT/webhook/policies --data '{\n"
            '    "name": "registrail", "enabled": true, "event_types": ["PUSH_ARTIFACT", "DELETE_ARTIFACT"],\n'
            f'    "targets": [{{"type": "http", "address": "{self.base}/hooks/harbor{code}"}}]}}\''
        )

    @property
    def simulated(self) -> str:
        """A push that no registry made."""
        return f"registrail send push --to {self.base} --registry myregistry.azurecr.io --repository team/app --tag v1"


def place(request: Request, settings: Settings, registry: str, regions: str) -> Place:
    """Where this app is, as a browser sees it.

    Raises:
        InvalidParameterError: a registry or a region cannot be called that.
    """
    name = registry.strip().lower().removesuffix(".azurecr.io") or REGISTRY
    if not _REGISTRY.fullmatch(name):
        raise InvalidParameterError("registry", "is the name of an Azure registry: 5 to 50 letters and digits")
    wanted = [text for text in re.split(r"[,;\s]+", regions.strip().lower()) if text]
    if len(wanted) > _MOST_REGIONS or not all(map(_REGION.fullmatch, wanted)):
        raise InvalidParameterError("regions", "are names such as westeurope, separated by spaces or commas")
    host = request.headers.get("host", "")
    address = host if _ADDRESS.fullmatch(host) else "APP"
    return Place(
        base=f"{'https' if is_https(request, settings) else 'http'}://{address}",
        has_keys=settings.on_azure,
        is_reachable=not is_loopback(urlsplit(f"//{address}").hostname or ""),
        behind_sign_in=settings.behind_sign_in,
        app=settings.site or "APP",
        group=settings.resource_group or "GROUP",
        registry=name,
        regions=tuple(dict.fromkeys(wanted)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How far one way of connecting a registry has come.

    Attributes:
        delivery: what shows it: the last delivery with an event, the last ping, or what could not be read.
        registry: from which registry the last event came.
        refused: what came after the last event and could not be read.
    """

    sender: str
    state: State = "waiting"
    delivery: Delivery | None = None
    registry: str | None = None
    refused: Delivery | None = None


def ways(ingest: Ingest, recent: Mapping[str, Sequence[Delivery]]) -> Mapping[str, Way]:
    """Every known sender, and what came from it."""
    return {sender: _way(ingest, sender, recent.get(sender)) for sender in ingest.senders}


def _way(ingest: Ingest, sender: str, recent: Sequence[Delivery] | None) -> Way:
    if recent is None:
        return Way(sender=sender)
    refused: Delivery | None = None
    pinged: Delivery | None = None
    sample: Delivery | None = None
    for one in recent:
        if one.outcome in {"rejected", "failed"}:
            refused = refused or one
        elif one.outcome == "ignored":
            pinged = pinged or (one if one.headers.get("user-agent") != PING_AGENT else None)
        else:
            registry = next(_registries(ingest, one), None)
            if registry is not None and registry.endswith(SAMPLE_ENDING):
                sample = sample or one
                continue
            return Way(
                sender=sender,
                state="arrived",
                delivery=one,
                registry=registry,
                refused=refused,
            )
    if refused and (pinged is None or refused.received_at > pinged.received_at):
        return Way(sender=sender, state="refused", delivery=refused)
    if pinged:
        return Way(sender=sender, state="pinged", delivery=pinged)
    return Way(sender=sender, state="sample" if sample else "waiting", delivery=sample)


def _registries(ingest: Ingest, delivery: Delivery) -> Iterator[str]:
    """Which registries a delivery is from, if it is so short that lists have its body."""
    if delivery.body:
        try:
            yield from (event.registry for event in ingest.read(delivery).events)
        except (MalformedError, UnknownSenderError):
            return
