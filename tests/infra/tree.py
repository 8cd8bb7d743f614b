"""The files under test, and what they deploy in the situations that matter."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from tests.infra.bicep import File, read
from tests.infra.code import ROOT, Code
from tests.infra.evaluate import evaluate
from tests.infra.plan import Deployed, Plan

PARTS: Final = ("infra", "azure.yaml", "host.json", "local.settings.sample.json", "tools/infra/postdeploy.py")

_ALL: Final[Mapping[str, Any]] = {
    "registrySku": "Premium",
    "replicaRegions": ["North Europe", "eastus"],
    "privateNetwork": True,
    "digestTopic": True,
    "signInClientId": "22222222-2222-2222-2222-222222222222",
    "alertEmail": "somebody@example.com",
    "alwaysReady": 1,
    "lockStorage": True,
    "keepEventsDays": 400,
}
_EXISTING: Final[Mapping[str, Any]] = {
    "registryName": "theirs",
    "registryResourceGroup": "their-group",
    "systemTopicName": "their-topic",
}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One situation: what `main.bicep` and then `events.bicep` deploy."""

    name: str
    parameters: Mapping[str, Any]
    main: Plan
    events: Plan

    @property
    def resources(self) -> list[Deployed]:
        """Everything."""
        return [*self.main.resources, *self.events.resources]


@dataclass(frozen=True)
class Tree:
    """A checkout's infrastructure, or a copy of it with a fault."""

    root: Path
    code: Code

    @cached_property
    def files(self) -> list[File]:
        """Every template."""
        return [read(path) for path in sorted((self.root / "infra").rglob("*.bicep"))]

    def text(self, path: str) -> str:
        """What a file says."""
        return (self.root / path).read_text("utf-8")

    def json(self, path: str) -> Any:
        """What a JSON file says."""
        return json.loads(self.text(path))

    @cached_property
    def azure_yaml(self) -> Mapping[str, Any]:
        """The azd project."""
        return dict(yaml.safe_load(self.text("azure.yaml")))

    def parameter_set(self, name: str) -> dict[str, Any]:
        """The values of a parameter file as azd fills them in, when only what it always has is set."""
        filled = re.sub(
            r"\$\{(\w+)\}", lambda match: _AZD.get(match[1], ""), self.text(f"infra/{name}.parameters.json")
        )
        return {name: entry["value"] for name, entry in json.loads(filled)["parameters"].items()}

    @cached_property
    def scenes(self) -> list[Scene]:
        """The small set, the production set, everything there is, and a registry that was there before."""
        small = self.parameter_set("main")
        return [
            self._scene("small", small, scopes="*"),
            self._scene("production", self.parameter_set("production"), scopes="*"),
            self._scene("everything", {**small, **_ALL}, scopes="*,team/app:*"),
            self._scene("existing", {**small, **_EXISTING}, scopes="*"),
        ]

    def scene(self, name: str) -> Scene:
        """One of them."""
        return next(scene for scene in self.scenes if scene.name == name)

    def _scene(self, name: str, parameters: Mapping[str, Any], *, scopes: str) -> Scene:
        main = evaluate(self.root / "infra/main.bicep", parameters)
        events = evaluate(
            self.root / "infra/events.bicep",
            {
                "appName": main.outputs["REGISTRAIL_APP"],
                "keyName": "registrail",
                "storageName": main.outputs["REGISTRAIL_ACCOUNT"],
                "registryName": main.outputs["REGISTRAIL_REGISTRY"],
                "registryResourceGroup": main.outputs["REGISTRAIL_REGISTRY_GROUP"],
                "replicaRegions": main.outputs["REGISTRAIL_REPLICA_REGIONS"],
                "systemTopicName": main.outputs["REGISTRAIL_SYSTEM_TOPIC"],
                "signIn": main.outputs["REGISTRAIL_SIGN_IN"] == "true",
                "webhookScopes": scopes,
            },
            group=main.outputs["AZURE_RESOURCE_GROUP"],
        )
        return Scene(name=name, parameters=parameters, main=main, events=events)


_AZD: Final = {"AZURE_ENV_NAME": "test", "AZURE_LOCATION": "westeurope"}


def copy(target: Path) -> None:
    """Copy everything that a tree is read from, to break it there."""
    for part in PARTS:
        source = ROOT / part
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target / part)
        else:
            shutil.copy(source, target / part)


def of(scene: Scene, kind: str) -> Iterator[Deployed]:
    """The resources of a type in a scene."""
    return (resource for resource in scene.resources if resource.type == kind)
