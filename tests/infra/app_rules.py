"""Checks of the templates against the code: settings, functions, routes, tables."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from registrail.errors import SettingsError
from registrail.settings import Settings
from tests.infra.tree import Scene, Tree, of
from tests.infra.values import Later

REFUSED_SETTINGS: Final = frozenset(
    {
        "ENABLE_ORYX_BUILD",
        "FUNCTIONS_EXTENSION_VERSION",
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_WORKER_RUNTIME_VERSION",
        "FUNCTIONS_MAX_HTTP_CONCURRENCY",
        "FUNCTIONS_WORKER_PROCESS_COUNT",
        "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
        "WEBSITE_CONTENTOVERVNET",
        "WEBSITE_CONTENTSHARE",
        "WEBSITE_DNS_SERVER",
        "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT",
        "WEBSITE_NODE_DEFAULT_VERSION",
        "WEBSITE_RUN_FROM_PACKAGE",
        "WEBSITE_SKIP_CONTENTSHARE_VALIDATION",
        "WEBSITE_VNET_ROUTE_ALL",
    }
)
"""https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations"""

REFUSED_PROPERTIES: Final = frozenset(
    {
        "alwaysOn",
        "ftpsState",
        "functionAppScaleLimit",
        "linuxFxVersion",
        "minimumElasticInstanceCount",
        "netFrameworkVersion",
        "powerShellVersion",
        "preWarmedInstanceCount",
        "pythonVersion",
        "use32BitWorkerProcess",
        "vnetPrivatePortsCount",
        "vnetRouteAllEnabled",
        "windowsFxVersion",
        "appSettings",
    }
)
"""Of `siteConfig`: refused on Flex, or (appSettings) a second place for what `config/appsettings` replaces."""

ONLY_LOCAL: Final = frozenset({"REGISTRAIL_STORAGE"})
"""Settings that name a secret or a disk, which the deployed app does without."""

OF_THE_HOST: Final = ("AzureWebJobs", "AzureFunctionsJobHost__", "APPLICATIONINSIGHTS_", "OVERRIDE_USE_MI_FIC_")


def app_settings(scene: Scene) -> Mapping[str, Any]:
    """The deployed app's settings."""
    found = [item for item in of(scene, "Microsoft.Web/sites/config") if item.body["name"] == "appsettings"]
    return dict(found[0].body["properties"])


def schedules(tree: Tree) -> set[str]:
    """Settings that a trigger or host.json looks up by `%NAME%`."""
    texts = [
        tree.text("host.json"),
        *(str(value) for trigger in tree.code.functions.values() for value in trigger.values()),
    ]
    return {part for text in texts for part in text.split("%")[1::2]}


def settings(tree: Tree) -> Iterator[str]:
    """Each setting that the code looks up is in the app's settings with a value it takes; none is there for nobody."""
    wanted = (tree.code.settings - ONLY_LOCAL) | schedules(tree)
    for scene in tree.scenes:
        given = app_settings(scene)
        ours = {name for name in given if not name.startswith(OF_THE_HOST)}
        yield from (f"{scene.name}: the app has no setting {name}" for name in sorted(wanted - ours))
        yield from (f"{scene.name}: nothing reads the setting {name}" for name in sorted(ours - wanted))
        environment = {
            name: "https://later.example" if isinstance(value, Later) else value for name, value in given.items()
        }
        if not all(isinstance(value, str) for value in environment.values()):
            yield f"{scene.name}: a setting is not text"
            continue
        try:
            Settings.from_env({**environment, "WEBSITE_INSTANCE_ID": "0123"})
        except SettingsError as error:
            yield f"{scene.name}: {error}"
    sample = tree.json("local.settings.sample.json")["Values"].keys()
    identity = {name for name in tree.code.settings if "__" in name}
    optional = {"REGISTRAIL_KEEP_EVENTS_DAYS"}
    local = (tree.code.settings | schedules(tree)) - identity
    yield from (f"local.settings.sample.json has no {name}" for name in sorted(local - optional - sample))
    known = local | {"FUNCTIONS_WORKER_RUNTIME"}
    yield from (
        f"local.settings.sample.json: nothing reads {name}"
        for name in sorted(sample - known)
        if not name.startswith(OF_THE_HOST)
    )


def flex(tree: Tree) -> Iterator[str]:
    """The plan is Flex Consumption, and nothing is set that it refuses."""
    for scene in tree.scenes:
        (plan,) = of(scene, "Microsoft.Web/serverfarms")
        (app,) = of(scene, "Microsoft.Web/sites")
        if plan.body["sku"] != {"name": "FC1", "tier": "FlexConsumption"} or not plan.body["properties"].get(
            "reserved"
        ):
            yield f"{scene.name}: the plan is not Flex Consumption on Linux"
        if app.body["kind"] != "functionapp,linux":
            yield f"{scene.name}: the app is no function app on Linux"
        refused = REFUSED_SETTINGS & app_settings(scene).keys()
        refused |= REFUSED_PROPERTIES & app.body["properties"].get("siteConfig", {}).keys()
        yield from (f"{scene.name}: Flex Consumption refuses {name}" for name in sorted(refused))
        missing = {"deployment", "scaleAndConcurrency", "runtime"} - app.body["properties"]["functionAppConfig"].keys()
        yield from (f"{scene.name}: functionAppConfig has no {name}" for name in sorted(missing))


def subscription(tree: Tree) -> Iterator[str]:
    """Events go to a function with an Event Grid trigger, as CloudEvents, are retried for a day and then kept."""
    for scene in tree.scenes:
        (found,) = scene.events.of("Microsoft.EventGrid/systemTopics/eventSubscriptions")
        properties, where = found.body["properties"], f"{scene.name}: {found.place}"
        destination = properties["destination"]
        if destination["endpointType"] == "AzureFunction":
            name = destination["properties"]["resourceId"].rpartition("/functions/")[2]
            if tree.code.functions.get(name, {}).get("type") != "eventGridTrigger":
                yield f"{where}: {name} has no Event Grid trigger"
        else:
            yield from (f"{where}: {problem}" for problem in _route(tree, destination["properties"]["endpointUrl"]))
            if "code=listKeys" not in destination["properties"]["endpointUrl"]:
                yield f"{where}: the hook is called without a key"
        if properties.get("eventDeliverySchema") != "CloudEventSchemaV1_0":
            yield f"{where}: events are not CloudEvents"
        kinds = {f"Microsoft.ContainerRegistry.{kind}" for kind in _KINDS}
        if set(properties["filter"]["includedEventTypes"]) != kinds:
            yield f"{where}: the event types are not {', '.join(sorted(kinds))}"
        if properties.get("retryPolicy") != {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}:
            yield f"{where}: events are not retried for a day"
        dead = (
            properties.get("deadLetterWithResourceIdentity", {}).get("deadLetterDestination", {}).get("properties", {})
        )
        if dead.get("blobContainerName") not in containers(scene):
            yield f"{where}: no container for dead letters"


_KINDS: Final = ("ImagePushed", "ImageDeleted", "ChartPushed", "ChartDeleted")


def _route(tree: Tree, url: str) -> Iterator[str]:
    """What is wrong with the address of a hook."""
    parts = urlsplit(url)
    prefix, _, sender = parts.path.rpartition("/")
    routes = {trigger["route"]: trigger for trigger in tree.code.functions.values() if "route" in trigger}
    if f"{prefix.removeprefix('/')}/{{sender}}" not in routes or sender not in tree.code.senders:
        yield f"there is no route {parts.path}"
    if parts.scheme != "https":
        yield f"{url} is not https"


def webhooks(tree: Tree) -> Iterator[str]:
    """Each region has a webhook for each scope, to a real route, with the host key in a header; it tells its region."""
    for scene in tree.scenes:
        found = scene.events.of("Microsoft.ContainerRegistry/registries/webhooks")
        regions = 1 + len(scene.parameters.get("replicaRegions", []))
        scopes = ["", "team/app:*"] if scene.name == "everything" else [""]
        places = {(hook.body["location"], hook.body["properties"].get("scope", "")) for hook in found}
        if len(found) != regions * len(scopes) or len(places) != len(found):
            yield f"{scene.name}: {len(places)} webhooks for {regions} regions and {len(scopes)} scopes"
        if {scope for _, scope in places} != set(scopes):
            yield f"{scene.name}: the webhooks' scopes are not {scopes}"
        for hook in found:
            properties, where = hook.body["properties"], f"{scene.name}: {hook.place}"
            yield from (f"{where}: {problem}" for problem in _route(tree, properties["serviceUri"]))
            asked = parse_qs(urlsplit(properties["serviceUri"]).query)
            if asked.get("region") != [hook.body["location"]] or "registry" not in asked:
                yield f"{where}: the address does not tell region and registry"
            if (
                " " in properties["serviceUri"]
                or not hook.body["name"].isalnum()
                or not 5 <= len(hook.body["name"]) <= 50
            ):
                yield f"{where}: {hook.body['name']} is no name, or {properties['serviceUri']} no address"
            key = properties.get("customHeaders", {}).get("x-functions-key", "")
            if not key.startswith("listKeys(") or "/host/default)" not in key:
                yield f"{where}: the header x-functions-key has no host key"
            if not {"push", "delete"} <= set(properties["actions"]) or properties.get("status") != "enabled":
                yield f"{where}: pushes and deletes do not come"


def containers(scene: Scene) -> set[str]:
    """The blob containers."""
    return {item.body["name"] for item in of(scene, "Microsoft.Storage/storageAccounts/blobServices/containers")}


BLOB_OWNER: Final = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
TABLE_CONTRIBUTOR: Final = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
QUEUE_CONTRIBUTOR: Final = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"


def stores(tree: Tree) -> Iterator[str]:
    """Every table and container that is named exists, and the app may use what its triggers need."""
    triggers = {trigger["type"] for trigger in tree.code.functions.values()}
    needed = {BLOB_OWNER, TABLE_CONTRIBUTOR} | ({QUEUE_CONTRIBUTOR} if "queueTrigger" in triggers else set())
    services = {"blob", "table"} | ({"queue"} if "queueTrigger" in triggers else set())
    for scene in tree.scenes:
        tables = {item.body["name"] for item in of(scene, "Microsoft.Storage/storageAccounts/tableServices/tables")}
        yield from (f"{scene.name}: there is no table {name}" for name in sorted(tree.code.tables - tables))
        yield from (f"{scene.name}: nothing uses the table {name}" for name in sorted(tables - tree.code.tables))
        (account,) = of(scene, "Microsoft.Storage/storageAccounts")
        assigned = of(scene, "Microsoft.Authorization/roleAssignments")
        roles = {
            item.body["properties"]["roleDefinitionId"].rpartition("/")[2]
            for item in assigned
            if item.scope == account.id
        }
        if roles != needed:
            yield f"{scene.name}: the app's roles on the storage account are {sorted(roles)}, not {sorted(needed)}"
        given = app_settings(scene)
        for service in sorted(services):
            if f"AzureWebJobsStorage__{service}ServiceUri" not in given:
                yield f"{scene.name}: the host is not told where {service}s are"
        if given.get("AzureWebJobsStorage__credential") != "managedidentity":
            yield f"{scene.name}: the host does not come with its identity"
        (app,) = of(scene, "Microsoft.Web/sites")
        deployment = app.body["properties"]["functionAppConfig"]["deployment"]["storage"]
        if not any(deployment["value"].endswith(f"blob{name}") for name in containers(scene)):
            yield f"{scene.name}: there is no container {deployment['value']}"
        if deployment["authentication"]["type"] != "UserAssignedIdentity":
            yield f"{scene.name}: code is not deployed with the identity"
