"""The ACR task: its file, the template that runs it by itself, and the make verbs, against a fake `az`."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml

from tests.infra.code import ROOT
from tests.infra.evaluate import evaluate
from tests.infra.fake_az import FakeAz
from tests.infra.plan import Plan
from tests.infra.schema import SCHEMAS, mismatches

SOURCE: Final = (ROOT / "infra/tasks/build.yaml").read_text("utf-8")
SCHEMA: Final = json.loads((SCHEMAS / "acr-task.schema.json").read_text("utf-8"))
GIT: Final = "https://github.com/somebody/registrail.git#main"


def problems(source: str) -> list[str]:
    """What is wrong with a task's file: its form, what steps wait for, and what is pushed before it was tested."""
    task = yaml.safe_load(source)
    found = [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(task)]
    if found:
        return found
    steps: dict[str, Mapping[str, Any]] = {step["id"]: step for step in task["steps"]}
    found += [f"{name} waits for {other}" for name, step in steps.items() for other in _waits(step) - steps.keys()]
    if found:
        return found
    built = {tag for step in steps.values() for tag in re.findall(r"--tag (\S+)", step.get("build", ""))}
    used = {step["cmd"].split()[0] for step in steps.values() if "cmd" in step}
    pushed = {image for step in steps.values() for image in step.get("push", [])}
    found += [f"{image} is used and never built" for image in sorted((used | pushed) - built)]
    for name, step in steps.items():
        before = _before(steps, name)
        if "push" in step:
            checks = {other for other, check in steps.items() if "cmd" in check}
            found += [f"{name} does not wait for {check}" for check in sorted(checks - before)]
            found += [f"{name} goes on after {check} failed" for check in checks if steps[check].get("ignoreErrors")]
        if "cmd" in step and not any("build" in steps[other] for other in before):
            found.append(f"{name} does not wait for a build")
    return found


def _waits(step: Mapping[str, Any]) -> set[str]:
    return set(step.get("when", []))


def _before(steps: Mapping[str, Mapping[str, Any]], name: str) -> set[str]:
    """Everything that ended before a step begins."""
    direct = _waits(steps[name])
    return direct | {earlier for other in direct for earlier in _before(steps, other)}


def test_the_task_is_right() -> None:
    """It has the form of a task, and pushes what it has built and tested, and nothing else."""
    assert problems(SOURCE) == []


@pytest.mark.parametrize(
    ("fault", "old", "new"),
    [
        ("a key that does not exist", "entryPoint: python", "entrypoint: python"),
        ("a step of two kinds", "    push: [", "    cmd: $Registry/registrail:$ID\n    push: ["),
        ("a version of tasks that does not exist", "v1.1.0", "v2"),
        ("a limit that is no number", "stepTimeout: 1800", "stepTimeout: 30m"),
        ("an environment without a value", '"REGISTRAIL_STORAGE=sqlite:///:memory:"', '"REGISTRAIL_STORAGE"'),
        ("a step that waits for nobody", "when: [start, test]", "when: [start, tests]"),
        ("a push before the tests end", "when: [start, test]", "when: [start]"),
        ("a push at once", "    when: [start, test]\n", ""),
        ("a failed test that stops nothing", "    entryPoint: sh\n", "    entryPoint: sh\n    ignoreErrors: true\n"),
        ("an image that was not built is pushed", '"$Registry/registrail:latest"]', '"$Registry/registrail:stable"]'),
        ("tests before the build", "    entryPoint: sh\n    when: [build]\n", "    entryPoint: sh\n"),
    ],
    ids=lambda value: value if " " in value and "\n" not in value else "",
)
def test_a_fault_in_the_task_is_caught(fault: str, old: str, new: str) -> None:
    """Each is found."""
    assert old in SOURCE, fault
    assert problems(SOURCE.replace(old, new)) != []


def plan(**parameters: object) -> Plan:
    """What task.bicep deploys."""
    return evaluate(ROOT / "infra/tasks/task.bicep", {"registryName": "mine", "source": GIT, **parameters})


def task(**parameters: object) -> Mapping[str, Any]:
    """The properties of the task that it deploys."""
    (found,) = plan(**parameters).of("Microsoft.ContainerRegistry/registries/tasks")
    return dict(found.body["properties"])


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"sourceToken": "secret", "schedule": "0 0 * * *"},
        {"agentPoolName": "pool"},
        {"agentPoolName": "pool", "agentPoolTier": "S1", "agentPoolSubnetId": "/subscriptions/0/subnets/a"},
    ],
)
def test_the_task_fits_its_type(parameters: Mapping[str, object]) -> None:
    """With and without a token, on shared agents, on a pool, and with a new pool."""
    found = plan(**parameters)
    assert [problem for resource in found.resources for problem in mismatches(resource)] == []
    assert found.late == []


def test_the_task_runs_this_file() -> None:
    """The template takes the steps from the file that `make acr-run` runs, and gives every value that it asks for."""
    step = task()["step"]
    assert base64.b64decode(step["encodedTaskContent"]).decode() == SOURCE
    assert {value["name"] for value in step["values"]} == set(re.findall(r"{{\.Values\.(\w+)}}", SOURCE))


def test_what_triggers_the_task() -> None:
    """A new base image and the calendar always; a commit if there is a token to register for it."""
    triggers = task()["trigger"]
    assert triggers["baseImageTrigger"]["baseImageTriggerType"] == "Runtime"
    assert [timer["schedule"] for timer in triggers["timerTriggers"]] == ["30 3 * * 1"]
    assert triggers["sourceTriggers"] == []
    (commit,) = task(sourceToken="secret")["trigger"]["sourceTriggers"]
    assert commit["sourceRepository"]["branch"] == "main"
    assert commit["sourceRepository"]["repositoryUrl"] == GIT.partition("#")[0]


def test_the_task_watches_a_tag() -> None:
    """A digest never changes, so nothing would ever trigger; the tag is what `make acr-import-base` writes."""
    (base,) = task()["step"]["values"]
    name = base["value"].partition("/")[2]
    assert "@" not in name
    assert f"BASE_NAME   := {name}\n" in (ROOT / "Makefile").read_text("utf-8")


def test_an_agent_pool_replaces_the_shared_agents() -> None:
    """A pool has its own size, so the task may not ask for one."""
    assert (task()["agentPoolName"], task()["agentConfiguration"]) == (None, {"cpu": 2})
    pooled = task(agentPoolName="pool")
    assert (pooled["agentPoolName"], pooled["agentConfiguration"]) == ("pool", None)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., list[list[str]]]:
    """Runs a verb of the Makefile; what `az` was called with. The verb prints just that."""
    az = FakeAz(tmp_path)

    def run(verb: str, *given: str) -> list[list[str]]:
        done = az.run(["make", verb, *given], {"GIT_TOKEN": "the-secret"})
        assert (done.returncode, done.stderr) == (0, "")
        assert f"az {' '.join(az.calls[0][:2])}" in done.stdout
        assert "the-secret" not in done.stdout
        return az.calls

    return run


PINNED: Final = re.findall(r"^ARG BASE_IMAGE=(.*)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)[0]


def test_a_quick_build(make: Callable[..., list[list[str]]]) -> None:
    """`az acr build` with the pinned base image."""
    (call,) = make("acr-build", "REGISTRY=mine")
    assert call[:4] == ["acr", "build", "--registry", "mine"]
    assert f"BASE_IMAGE={PINNED}" in call
    assert call[-1] == "."


def test_a_build_on_a_pool_with_another_base(make: Callable[..., list[list[str]]]) -> None:
    """`POOL=` and `BASE=` go through."""
    (call,) = make("acr-build", "REGISTRY=mine", "BASE=mine.azurecr.io/base:4", "POOL=pool")
    assert "BASE_IMAGE=mine.azurecr.io/base:4" in call
    assert call[call.index("--agent-pool") + 1] == "pool"


def test_running_the_steps(make: Callable[..., list[list[str]]]) -> None:
    """`az acr run` with the task's file and the value it asks for."""
    (call,) = make("acr-run", "REGISTRY=mine")
    assert call[:4] == ["acr", "run", "--registry", "mine"]
    assert call[call.index("--file") + 1] == "infra/tasks/build.yaml"
    assert call[call.index("--set") + 1] == f"base={PINNED}"


def test_importing_the_base_image(make: Callable[..., list[list[str]]]) -> None:
    """By digest, to the tag that the task watches."""
    (call,) = make("acr-import-base", "REGISTRY=mine")
    name, _, digest = PINNED.partition("@")
    assert call[call.index("--source") + 1] == f"{name.partition(':')[0]}@{digest}"
    assert call[call.index("--image") + 1] == "base/azure-functions-python:4-python3.13"


def test_creating_the_task(make: Callable[..., list[list[str]]]) -> None:
    """The template, with the token from the environment; the verb prints its name, not its value."""
    (call,) = make("acr-task", "REGISTRY=mine", "GROUP=group", f"SOURCE={GIT}", "POOL=pool")
    given = dict(pair.split("=", 1) for pair in call[call.index("--parameters") + 1 :])
    assert given == {"registryName": "mine", "source": GIT, "agentPoolName": "pool", "sourceToken": "the-secret"}
    assert call[call.index("--template-file") + 1] == "infra/tasks/task.bicep"


@pytest.mark.parametrize("verb", ["acr-build", "acr-run", "acr-import-base", "acr-task"])
def test_a_verb_says_what_it_needs(verb: str, tmp_path: Path) -> None:
    """Without a registry nothing is called."""
    az = FakeAz(tmp_path)
    done = az.run(["make", verb])
    assert done.returncode != 0
    assert f"make {verb} REGISTRY=myregistry" in done.stderr
    assert az.calls == []
