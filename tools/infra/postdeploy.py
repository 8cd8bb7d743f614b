"""Connects the registry to the deployed app: makes the senders' key, then deploys infra/events.bicep.

azd runs it after `azd deploy` (azure.yaml); `azd hooks run postdeploy` runs it again, which changes nothing that is
right already. It needs Python (3.9 will do), its standard library and `az`. The key's value never comes here: Azure
makes it, and the template reads it inside of Azure.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[2] / "infra" / "events.bicep"
FUNCTION = "receive_event"

NEEDED = {
    "AZURE_RESOURCE_GROUP": "the app's resource group",
    "REGISTRAIL_APP": "the function app",
    "REGISTRAIL_ACCOUNT": "its storage account",
    "REGISTRAIL_REGISTRY": "the registry",
    "REGISTRAIL_REGISTRY_GROUP": "the registry's resource group",
    "REGISTRAIL_SYSTEM_TOPIC": "the registry's system topic",
}
OPTIONAL = {
    "AZURE_SUBSCRIPTION_ID": "the subscription; default: the one `az` has chosen",
    "REGISTRAIL_REPLICA_REGIONS": "regions of the registry besides its own, comma-separated",
    "REGISTRAIL_SIGN_IN": "true: Event Grid posts to the hook; default: it calls the function",
    "REGISTRAIL_WEBHOOK_SCOPES": "what webhooks are for, comma-separated; default: * for everything",
    "REGISTRAIL_KEY_NAME": "name of the host key that senders show; default: registrail",
}

# What waiting does not mend; a warning of Bicep's compiler is no such thing.
FINAL = re.compile(
    r"AuthorizationFailed|\bInvalidTemplate\b|ResourceGroupNotFound|SubscriptionNotFound|az login|Error BCP\d+"
)


class HookError(Exception):
    """Why the registry could not be connected; the text says what to do."""


class CommandError(Exception):
    """What `az` said on standard error when it failed."""


@dataclass(frozen=True)
class Target:
    """What is connected to what, as azd's environment tells it."""

    group: str
    app: str
    account: str
    registry: str
    registry_group: str
    topic: str
    regions: str
    sign_in: bool
    scopes: str
    key_name: str
    subscription: str

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> "Target":
        """Read the outputs of main.bicep; says all that are missing at once."""
        given = {name: environment.get(name, "").strip() for name in (*NEEDED, *OPTIONAL)}
        missing = [f"  {name}: {meaning}" for name, meaning in NEEDED.items() if not given[name]]
        if missing:
            raise HookError(
                "these are not set (run `azd provision`, then this by `azd hooks run postdeploy`):\n"
                + "\n".join(missing)
            )
        return cls(
            group=given["AZURE_RESOURCE_GROUP"],
            app=given["REGISTRAIL_APP"],
            account=given["REGISTRAIL_ACCOUNT"],
            registry=given["REGISTRAIL_REGISTRY"],
            registry_group=given["REGISTRAIL_REGISTRY_GROUP"],
            topic=given["REGISTRAIL_SYSTEM_TOPIC"],
            regions=given["REGISTRAIL_REPLICA_REGIONS"],
            sign_in=given["REGISTRAIL_SIGN_IN"].lower() == "true",
            scopes=given["REGISTRAIL_WEBHOOK_SCOPES"] or "*",
            key_name=given["REGISTRAIL_KEY_NAME"] or "registrail",
            subscription=given["AZURE_SUBSCRIPTION_ID"],
        )

    def _app(self, *command: str) -> list[str]:
        where = ["--resource-group", self.group, "--name", self.app]
        return [*command, *where, *self._subscription()]

    def _subscription(self) -> list[str]:
        return ["--subscription", self.subscription] if self.subscription else []

    def show_function(self) -> list[str]:
        """Asks whether the function is there."""
        return [*self._app("functionapp", "function", "show"), "--function-name", FUNCTION, "--output", "none"]

    def list_keys(self) -> list[str]:
        """Asks for the names of the host keys, and for the names only."""
        return [*self._app("functionapp", "keys", "list"), "--query", "keys(functionKeys)", "--output", "json"]

    def make_key(self) -> list[str]:
        """Makes the host key with a value that Azure chooses."""
        kind = ["--key-type", "functionKeys", "--key-name", self.key_name]
        return [*self._app("functionapp", "keys", "set"), *kind, "--output", "none"]

    def deploy(self) -> list[str]:
        """Deploys the webhooks and the subscription."""
        parameters = {
            "appName": self.app,
            "keyName": self.key_name,
            "storageName": self.account,
            "registryName": self.registry,
            "registryResourceGroup": self.registry_group,
            "replicaRegions": self.regions,
            "webhookScopes": self.scopes,
            "systemTopicName": self.topic,
            "signIn": "true" if self.sign_in else "false",
        }
        return [
            *("deployment", "group", "create", "--resource-group", self.group, "--name", "registrail-events"),
            *("--template-file", str(TEMPLATE), "--output", "none", *self._subscription()),
            *("--parameters", *(f"{name}={value}" for name, value in parameters.items())),
        ]


def azure(az: str) -> Callable[[Sequence[str]], str]:
    """A function that runs `az` and returns what it prints."""

    def run(command: Sequence[str]) -> str:
        done = subprocess.run(  # noqa: S603 - no shell, and `az` is the reader's own
            [az, *command], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise CommandError(done.stderr.strip() or f"az {command[0]} ended with {done.returncode}")
        return done.stdout

    return run


@dataclass(frozen=True)
class Patience:
    """How often a step is tried, and how long the wait after the first failure is; each later one is longer."""

    attempts: int
    seconds: float

    def until_done(self, what: str, step: Callable[[], None]) -> None:
        """Try a step; a new app needs minutes until its functions and keys are known everywhere."""
        for attempt in range(1, self.attempts + 1):
            try:
                step()
            except CommandError as error:
                if attempt == self.attempts or FINAL.search(str(error)):
                    raise HookError(f"{what} failed (attempt {attempt} of {self.attempts}):\n{error}") from None
            else:
                return
            print(f"Registrail: {what} does not work yet; again in {self.seconds * attempt:g} s", flush=True)
            time.sleep(self.seconds * attempt)


def connect(target: Target, run: Callable[[Sequence[str]], str], patience: Patience) -> None:
    """Wait for the function, make the key if there is none, deploy."""

    def find() -> None:
        run(target.show_function())

    def key() -> None:
        if target.key_name not in json.loads(run(target.list_keys()) or "[]"):
            run(target.make_key())
            print(f"Registrail: made the host key {target.key_name}")

    def deploy() -> None:
        run(target.deploy())

    patience.until_done(f"finding the function {FUNCTION} in {target.app}", find)
    patience.until_done(f"making the host key {target.key_name}", key)
    patience.until_done("deploying infra/events.bicep", deploy)
    print(f"Registrail: {target.registry} now reports to {target.app}")


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Read the arguments, then connect; the exit code."""
    settings = "\n".join(f"  {name:28}{meaning}" for name, meaning in {**NEEDED, **OPTIONAL}.items())
    parser = argparse.ArgumentParser(
        description="Connects the registry to the deployed app: host key, webhooks, Event Grid subscription.",
        epilog=f"From the environment (azd sets most of it):\n{settings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run none")
    parser.add_argument("--attempts", type=int, default=10, help="how often each step is tried (%(default)s)")
    parser.add_argument("--wait", type=float, default=10, help="seconds after the first failure (%(default)s)")
    given = parser.parse_args(arguments)
    if given.attempts < 1 or given.wait < 0:
        parser.error("--attempts is at least 1, --wait at least 0")
    try:
        target = Target.from_env(environment)
        if given.dry_run:
            for command in (target.show_function(), target.list_keys(), target.make_key(), target.deploy()):
                print(shlex.join(["az", *command]))
            return 0
        az = shutil.which("az", path=environment.get("PATH"))
        if az is None:
            raise HookError("the Azure CLI is missing: https://learn.microsoft.com/cli/azure/install-azure-cli")
        connect(target, azure(az), Patience(given.attempts, given.wait))
    except HookError as error:
        print(f"Registrail: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
