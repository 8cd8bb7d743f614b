"""Checks of who may do what, and from where."""

from collections.abc import Iterator, Mapping
from typing import Final

from tests.infra.app_rules import app_settings, containers
from tests.infra.bicep import text, walk
from tests.infra.tree import Scene, Tree, of

ROLES: Final = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "d5a91429-5739-47e2-a06b-3470a27159e7": "EventGrid Data Sender",
}
"""All roles that anybody gets; none of them may change resources or grant anything."""

_SCOPES: Final = {
    "Storage Blob Data Owner": "/storageAccounts/",
    "Storage Table Data Contributor": "/storageAccounts/",
    "Monitoring Metrics Publisher": "/components/",
    "Storage Blob Data Contributor": "/containers/deadletters",
    "EventGrid Data Sender": "/topics/",
}


_MUST_BE: Final[Mapping[str, Mapping[str, object]]] = {
    "Microsoft.Storage/storageAccounts": {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "supportsHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
    },
    "Microsoft.ContainerRegistry/registries": {"adminUserEnabled": False, "anonymousPullEnabled": False},
    "Microsoft.Insights/components": {"DisableLocalAuth": True},
    "Microsoft.EventGrid/topics": {"disableLocalAuth": True},
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"allow": False},
    "Microsoft.Web/sites": {"httpsOnly": True},
}

_SECRETS: Final = (
    ("main.bicep", "accessKeys"),
    ("function.bicep", "accessKeys"),
    ("webhooks.bicep", "key"),
    ("subscription.bicep", "hookUrl"),
    ("task.bicep", "sourceToken"),
)


def keys(tree: Tree) -> Iterator[str]:
    """Nobody comes with a shared key: accounts refuse them, templates ask for none, and no output has a secret."""
    for scene in tree.scenes:
        for resource in scene.resources:
            for name, value in _MUST_BE.get(resource.type, {}).items():
                if resource.body["properties"].get(name) != value:
                    yield f"{scene.name}: {resource.place}: {name} is not {value}"
        policies = {item.body["name"] for item in of(scene, "Microsoft.Web/sites/basicPublishingCredentialsPolicies")}
        if policies != {"ftp", "scm"}:
            yield f"{scene.name}: publishing takes user names and passwords"
        shown = {**app_settings(scene), **scene.main.outputs}
        leaks = [name for name, value in shown.items() if "AccountKey=" in str(value) or "listKeys(" in str(value)]
        yield from (f"{scene.name}: {name} has a key" for name in leaks)
    for file in tree.files:
        asks = (text(node) for node in walk(file.root) if node.type == "call_expression")
        asks = (ask for ask in asks if ask.startswith("listKeys(") and "/host/default'" not in ask)
        yield from (f"{file.path.name}: asks for keys: {ask}" for ask in asks)
        for path, name in _SECRETS:
            if file.path.name == path and "secure" not in file.parameters[name].decorators:
                yield f"{path}: {name} is a secret and not marked so"


def privileges(tree: Tree) -> Iterator[str]:
    """The app has one identity; each role is one of a few, on one resource, for an identity of this deployment."""
    for scene in tree.scenes:
        (app,) = of(scene, "Microsoft.Web/sites")
        (identity,) = of(scene, "Microsoft.ManagedIdentity/userAssignedIdentities")
        if app.body.get("identity") != {"type": "UserAssigned", "userAssignedIdentities": {identity.id: {}}}:
            yield f"{scene.name}: the app's identity is not {identity.id}"
        for item in of(scene, "Microsoft.Authorization/roleAssignments"):
            properties, where = item.body["properties"], f"{scene.name}: {item.place}"
            role = ROLES.get(properties["roleDefinitionId"].rpartition("/")[2])
            if role is None:
                yield f"{where}: {properties['roleDefinitionId']} is not among the roles that are needed"
            elif _SCOPES[role] not in item.scope:
                yield f"{where}: {role} is not for one resource: {item.scope or 'the whole resource group'}"
            if not str(properties["principalId"]).endswith("principalId"):
                yield f"{where}: {properties['principalId']} is no identity of this deployment"
        yield from _dead_letters(scene)


def _dead_letters(scene: Scene) -> Iterator[str]:
    """The topic's identity may write dead letters before there is a subscription."""
    (subscription,) = scene.events.of("Microsoft.EventGrid/systemTopics/eventSubscriptions")
    (topic,) = scene.main.of("Microsoft.EventGrid/systemTopics")
    dead = subscription.body["properties"].get("deadLetterWithResourceIdentity")
    if dead is None or dead["identity"] != {"type": "SystemAssigned"} or topic.body.get("identity") != dead["identity"]:
        yield f"{scene.name}: dead letters are not written with the topic's identity"
        return
    container = dead["deadLetterDestination"]["properties"]["blobContainerName"]
    allowed = [
        item
        for item in scene.main.of("Microsoft.Authorization/roleAssignments")
        if item.scope.endswith(f"/containers/{container}")
        and item.body["properties"]["principalId"] == f"{topic.body['name']}.identity.principalId"
    ]
    if not allowed or container not in containers(scene):
        yield f"{scene.name}: the topic may not write to the container {container}"


def network(tree: Tree) -> Iterator[str]:
    """With a private network, storage and registry are reached over private endpoints only, by names that resolve."""
    for scene in tree.scenes:
        private = bool(scene.parameters.get("privateNetwork"))
        (account,) = of(scene, "Microsoft.Storage/storageAccounts")
        rules = account.body["properties"]["networkAcls"]
        if rules != {"bypass": "AzureServices", "defaultAction": "Deny" if private else "Allow"}:
            yield f"{scene.name}: the storage account's rules are {rules}"
        (app,) = of(scene, "Microsoft.Web/sites")
        if bool(app.body["properties"].get("virtualNetworkSubnetId")) != private:
            yield f"{scene.name}: the app's subnet is {app.body['properties'].get('virtualNetworkSubnetId')}"
        new = list(of(scene, "Microsoft.ContainerRegistry/registries"))
        wanted = {"blob", "table"} | ({"registry"} if new else set()) if private else set()
        found = {
            name
            for item in of(scene, "Microsoft.Network/privateEndpoints")
            for link in item.body["properties"]["privateLinkServiceConnections"]
            for name in link["properties"]["groupIds"]
        }
        zones = {item.body["name"] for item in of(scene, "Microsoft.Network/privateDnsZones")}
        links = list(of(scene, "Microsoft.Network/privateDnsZones/virtualNetworkLinks"))
        if found != wanted or len(zones) != len(wanted) or len(links) != len(wanted):
            yield f"{scene.name}: private endpoints {sorted(found)}, zones {sorted(zones)}; wanted {sorted(wanted)}"
        for registry in new:
            access = registry.body["properties"]["publicNetworkAccess"]
            if access != ("Disabled" if private else "Enabled"):
                yield f"{scene.name}: the registry's public access is {access}"
        for item in of(scene, "Microsoft.Network/virtualNetworks"):
            subnet = item.body["properties"]["subnets"][0]["properties"]
            if [entry["properties"]["serviceName"] for entry in subnet["delegations"]] != [
                "Microsoft.App/environments"
            ]:
                yield f"{scene.name}: {item.place}: the app's subnet is not delegated to Flex Consumption"


def signin(tree: Tree) -> Iterator[str]:
    """With sign-in, senders and probes of health get past it, and nothing else does; no secret is needed for it."""
    open_paths = {"/api/health", *(f"/hooks/{sender}" for sender in tree.code.senders)}
    for scene in tree.scenes:
        found = [item for item in of(scene, "Microsoft.Web/sites/config") if item.body["name"] == "authsettingsV2"]
        if bool(found) != bool(scene.parameters.get("signInClientId")):
            yield f"{scene.name}: sign-in without a client id, or a client id without sign-in"
        for item in found:
            validation = item.body["properties"]["globalValidation"]
            if set(validation["excludedPaths"]) != open_paths:
                yield f"{scene.name}: {sorted(validation['excludedPaths'])} need no sign-in, not {sorted(open_paths)}"
            wanted = {"requireAuthentication": True, "unauthenticatedClientAction": "RedirectToLoginPage"}
            if not wanted.items() <= validation.items():
                yield f"{scene.name}: who has not signed in is let through"
            provider = item.body["properties"]["identityProviders"]["azureActiveDirectory"]["registration"]
            if provider["clientSecretSettingName"] not in app_settings(scene):
                yield f"{scene.name}: the app has no setting {provider['clientSecretSettingName']}"
