"""The hook that connects the registry, against a fake `az` that records calls and fails as it is told to."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.infra.bicep import read
from tests.infra.code import ROOT
from tests.infra.fake_az import FakeAz

HOOK: Final = str(ROOT / "tools/infra/postdeploy.py")
AZD: Final[Mapping[str, str]] = {
    "AZURE_RESOURCE_GROUP": "rg-app",
    "AZURE_SUBSCRIPTION_ID": "sub",
    "REGISTRAIL_APP": "func-app",
    "REGISTRAIL_ACCOUNT": "stapp",
    "REGISTRAIL_REGISTRY": "theirs",
    "REGISTRAIL_REGISTRY_GROUP": "rg-theirs",
    "REGISTRAIL_SYSTEM_TOPIC": "topic",
    "REGISTRAIL_REPLICA_REGIONS": "northeurope,eastus",
    "REGISTRAIL_SIGN_IN": "false",
}
SHOW, LIST, MAKE = "functionapp function show", "functionapp keys list", "functionapp keys set"
DEPLOY: Final = "deployment group create"
NOT_YET: Final = (
    "events.bicep(3,1) : Warning BCP081: …\n"
    "(InvalidTemplateDeployment) The resource func-app/functions/receive_event was not found"
)


@pytest.fixture
def az(tmp_path: Path) -> FakeAz:
    """A fake that knows two host keys, neither of them ours."""
    return FakeAz(tmp_path)


def hook(az: FakeAz, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the hook as azd does, without waiting."""
    return az.run([sys.executable, HOOK, "--wait", "0", *arguments], {**AZD, **environment})


def test_it_makes_the_key_and_deploys(az: FakeAz) -> None:
    """In this order: the function is there, then the key, then what names both."""
    az.says(LIST, '["default"]')
    done = hook(az)
    assert (done.returncode, done.stderr) == (0, "")
    assert az.verbs == [SHOW, LIST, MAKE, DEPLOY]
    assert "theirs now reports to func-app" in done.stdout


def test_a_key_that_is_there_is_left_alone(az: FakeAz) -> None:
    """Running it again changes no key, so that no sender is locked out."""
    az.says(LIST, '["default", "registrail"]')
    assert hook(az).returncode == 0
    assert az.verbs == [SHOW, LIST, DEPLOY]


def test_no_value_of_a_key_passes_through(az: FakeAz) -> None:
    """Only names are asked for, and what `az` prints of a new key is thrown away."""
    az.says(LIST, '["default"]')
    az.says(MAKE, '{"value": "the-secret"}')
    done = hook(az)
    assert "the-secret" not in done.stdout + done.stderr
    _, listed, made, deployed = az.calls
    assert listed[listed.index("--query") + 1] == "keys(functionKeys)"
    assert "--key-value" not in made
    assert "the-secret" not in " ".join(deployed)


def test_the_template_declares_what_it_is_given(az: FakeAz) -> None:
    """Every parameter is one of events.bicep, and those without a default are all there."""
    az.says(LIST, '["registrail"]')
    hook(az, REGISTRAIL_WEBHOOK_SCOPES="team/app:*,web", REGISTRAIL_SIGN_IN="true")
    deployed = az.calls[-1]
    given = dict(pair.split("=", 1) for pair in deployed[deployed.index("--parameters") + 1 :])
    declared = read(ROOT / "infra/events.bicep").parameters
    assert given.keys() - declared.keys() == set()
    assert {name for name, parameter in declared.items() if parameter.default is None} - given.keys() == set()
    assert given == {
        "appName": "func-app",
        "keyName": "registrail",
        "storageName": "stapp",
        "registryName": "theirs",
        "registryResourceGroup": "rg-theirs",
        "replicaRegions": "northeurope,eastus",
        "webhookScopes": "team/app:*,web",
        "systemTopicName": "topic",
        "signIn": "true",
    }
    assert deployed[deployed.index("--template-file") + 1] == str(ROOT / "infra/events.bicep")
    assert deployed[deployed.index("--subscription") + 1] == "sub"


def test_a_function_that_is_not_there_yet_is_waited_for(az: FakeAz) -> None:
    """A new app takes its time; each step is tried again until it works."""
    az.says(SHOW, err=NOT_YET, code=3, times=2)
    az.says(LIST, err="Bad Gateway", code=1, times=1)
    az.says(LIST, '["default"]')
    az.says(DEPLOY, err=NOT_YET, code=1, times=3)
    done = hook(az)
    assert done.returncode == 0
    assert az.verbs == [SHOW, SHOW, SHOW, LIST, LIST, MAKE, DEPLOY, DEPLOY, DEPLOY, DEPLOY]
    assert done.stdout.count("does not work yet") == 6


def test_it_gives_up_with_what_az_said(az: FakeAz) -> None:
    """After so many attempts, with exit code 1, so that azd says that the deployment failed."""
    az.says(LIST, '["registrail"]')
    az.says(DEPLOY, err=NOT_YET, code=1)
    done = hook(az, "--attempts", "3")
    assert done.returncode == 1
    assert az.verbs.count(DEPLOY) == 3
    assert "deploying infra/events.bicep failed (attempt 3 of 3)" in done.stderr
    assert NOT_YET in done.stderr


@pytest.mark.parametrize(
    "final",
    [
        "(AuthorizationFailed) The client …",
        "Please run 'az login' to setup account.",
        "events.bicep(40,5) : Error BCP057: The name does not exist",
        '{"code": "InvalidTemplate", "message": "…"}',
    ],
)
def test_what_waiting_does_not_mend_is_said_at_once(az: FakeAz, final: str) -> None:
    """A missing right or login is no reason to wait for minutes."""
    az.says(SHOW, err=final, code=1)
    done = hook(az)
    assert (done.returncode, az.verbs) == (1, [SHOW])
    assert final in done.stderr


def test_what_is_missing_is_said_all_at_once(az: FakeAz) -> None:
    """With what each is, and how to get it."""
    done = hook(az, REGISTRAIL_APP="", REGISTRAIL_SYSTEM_TOPIC="  ")
    assert (done.returncode, az.calls) == (1, [])
    assert "REGISTRAIL_APP: the function app" in done.stderr
    assert "REGISTRAIL_SYSTEM_TOPIC" in done.stderr
    assert "azd hooks run postdeploy" in done.stderr


def test_a_dry_run_calls_nothing(az: FakeAz) -> None:
    """It prints the commands as a shell takes them."""
    done = hook(az, "--dry-run")
    assert (done.returncode, az.calls) == (0, [])
    assert [line.split(" --", 1)[0] for line in done.stdout.splitlines()] == [
        f"az {verb}" for verb in (SHOW, LIST, MAKE, DEPLOY)
    ]


def test_without_az_it_says_where_to_get_it(tmp_path: Path) -> None:
    """The hook is plain Python; only `az` is needed."""
    command = [sys.executable, HOOK]
    environment = {**AZD, "PATH": str(tmp_path)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=100)  # noqa: S603
    assert done.returncode == 1
    assert "Azure CLI is missing" in done.stderr


def test_help_names_every_setting(az: FakeAz) -> None:
    """What the environment must have stands in `--help`."""
    done = hook(az, "--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in AZD)


def test_another_key_name_makes_a_second_key(az: FakeAz) -> None:
    """Rotation: senders get the new key while the old one is still valid."""
    az.says(LIST, '["default", "registrail"]')
    hook(az, REGISTRAIL_KEY_NAME="registrail-2")
    assert az.verbs == [SHOW, LIST, MAKE, DEPLOY]
    assert az.calls[2][az.calls[2].index("--key-name") + 1] == "registrail-2"
    assert "keyName=registrail-2" in az.calls[3]
