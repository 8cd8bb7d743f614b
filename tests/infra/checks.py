"""All checks of the infrastructure, by the name that faults are caught under."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.infra.app_rules import flex, settings, stores, subscription, webhooks
from tests.infra.language import described, syntax, types
from tests.infra.security_rules import keys, network, privileges, signin
from tests.infra.tree import Tree, of


def azd(tree: Tree) -> Iterator[str]:
    """The project is whole: azd finds its module and the app, gives only declared parameters, and its hook is there."""
    project = tree.azure_yaml
    module = tree.root / project["infra"]["path"] / f"{project['infra']['module']}.bicep"
    if not module.is_file():
        yield f"azure.yaml: there is no {module.name}"
    for scene in tree.scenes:
        for app in of(scene, "Microsoft.Web/sites"):
            tag = app.body["tags"].get("azd-service-name")
            if tag not in project["services"]:
                yield f"{scene.name}: azure.yaml has no service {tag}"
        for group in of(scene, "Microsoft.Resources/resourceGroups"):
            if group.body["tags"].get("azd-env-name") != scene.parameters["environmentName"]:
                yield f"{scene.name}: the resource group has no tag azd-env-name"
    yield from _project(tree, module)


def _project(tree: Tree, module: Path) -> Iterator[str]:
    project = tree.azure_yaml
    for name, service in project["services"].items():
        if (service["host"], service["language"]) != ("function", "python"):
            yield f"azure.yaml: {name} is no function app in Python"
    (main,) = (file for file in tree.files if file.path == module)
    for name in ("main", "production"):
        surplus = tree.parameter_set(name).keys() - main.parameters.keys()
        yield from (f"{name}.parameters.json: main.bicep takes no {parameter}" for parameter in sorted(surplus))
    for shell in project["hooks"]["postdeploy"].values():
        script = shell["run"].split()[-1]
        if not (tree.root / script).is_file():
            yield f"azure.yaml: there is no {script}"


def alerts(tree: Tree) -> Iterator[str]:
    """Failures of every function that takes or counts events raise an alert, which tells whoever is to be told."""
    for scene in tree.scenes:
        queries = {
            rule.body["name"]: rule.body["properties"]["criteria"]["allOf"][0]["query"]
            for rule in of(scene, "Microsoft.Insights/scheduledQueryRules")
        }
        named = {name for query in queries.values() for name in re.findall(r'"(\w+_\w+)"', query)}
        yield from (f"{scene.name}: there is no function {name}" for name in sorted(named - tree.code.functions.keys()))
        watched = tree.code.functions.keys() - {"web"}
        yield from (f"{scene.name}: nobody watches {name}" for name in sorted(watched - named))
        metrics = {
            condition["metricName"]
            for rule in of(scene, "Microsoft.Insights/metricAlerts")
            for condition in rule.body["properties"]["criteria"]["allOf"]
        }
        missing = {"DeadLetteredCount", "DroppedEventCount", "Availability"} - metrics
        yield from (f"{scene.name}: nobody watches {name}" for name in sorted(missing))
        told = bool(list(of(scene, "Microsoft.Insights/actionGroups")))
        for kind in ("Microsoft.Insights/scheduledQueryRules", "Microsoft.Insights/metricAlerts"):
            for rule in of(scene, kind):
                actions = rule.body["properties"]["actions"]
                if bool(actions["actionGroups"] if isinstance(actions, Mapping) else actions) != told:
                    yield f"{scene.name}: {rule.body['name']} tells nobody"
        if told != bool(scene.parameters.get("alertEmail")):
            yield f"{scene.name}: an action group without an address, or an address without one"


CHECKS: Final[Mapping[str, Callable[[Tree], Iterable[str]]]] = {
    "syntax": syntax,
    "types": types,
    "settings": settings,
    "flex": flex,
    "keys": keys,
    "privileges": privileges,
    "subscription": subscription,
    "webhooks": webhooks,
    "stores": stores,
    "network": network,
    "signin": signin,
    "alerts": alerts,
    "azd": azd,
    "described": described,
}
