"""docs/deploy.md says what the templates have: parameters with their values, roles, alerts, checks with faults."""

import json
import re
from typing import Final

import yaml

from tests.infra.bicep import literal, read, text
from tests.infra.checks import CHECKS
from tests.infra.code import ROOT
from tests.infra.security_rules import ROLES
from tests.infra.test_templates import FAULTS

DEPLOY: Final = (ROOT / "docs/deploy.md").read_text("utf-8")
MAIN: Final = read(ROOT / "infra/main.bicep")
HOOK: Final = (ROOT / "tools/infra/postdeploy.py").read_text("utf-8")


def given(name: str) -> dict[str, str]:
    """The values of a parameter file, as the table shows them."""
    entries = json.loads((ROOT / f"infra/{name}.parameters.json").read_text("utf-8"))["parameters"]
    return {key: _shown(entry["value"]) for key, entry in entries.items()}


def _shown(value: object) -> str:
    if isinstance(value, str) and value.startswith("${"):
        return f"`{value[2:-1]}`"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def parameter_rows() -> list[str]:
    """The table of parameters as it must be."""
    small, production = given("main"), given("production")
    rows = []
    for name, parameter in MAIN.parameters.items():
        says = re.sub(r"\\'", "'", literal(parameter.decorators["description"]) or "")
        default = text(parameter.default).replace("'", "") if parameter.default is not None else "needed"
        shown = f"`{default}`" if default not in {"", "needed"} else default
        rows.append(f"| `{name}` | {shown} | {small.get(name, '')} | {production.get(name, '')} | {says} |")
    return rows


def fault_rows() -> list[str]:
    """The table of checks and faults as it must be."""
    return [
        f"| {name} | {(check.__doc__ or '').strip()} | {'; '.join(f['fault'] for f in FAULTS if f['check'] == name)} |"
        for name, check in CHECKS.items()
    ]


def test_every_parameter_is_there() -> None:
    """With its default and the values of both sets, in the words of the template; in its order."""
    assert [line for line in DEPLOY.splitlines() if re.match(r"\| `[a-z]\w+` \|", line)] == parameter_rows()


def test_every_check_is_there_with_its_faults() -> None:
    """In the words of the check and of faults.yaml."""
    section = DEPLOY.partition("## How it is checked")[2].splitlines()
    assert [line for line in section if line.split(" | ")[0].removeprefix("| ") in CHECKS] == fault_rows()


def test_every_role_is_there() -> None:
    """Who reads the guide before granting anything sees all of it."""
    assert [name for name in ROLES.values() if f"| {name} |" not in DEPLOY] == []


def test_every_setting_of_the_hook_is_there() -> None:
    """All names that postdeploy.py reads."""
    names = set(re.findall(r'^    "([A-Z_]+)": "', HOOK, re.MULTILINE))
    assert len(names) > 8
    assert [name for name in sorted(names) if f"`{name}`" not in DEPLOY] == []


def test_every_alert_is_there() -> None:
    """All alerts that are deployed."""
    names = re.findall(r"^    name: '([a-z-]+)'$", (ROOT / "infra/app/alerts.bicep").read_text("utf-8"), re.MULTILINE)
    assert len(names) >= 7
    assert [name for name in names if f"`{name}`" not in DEPLOY] == []


def test_the_verbs_in_the_guides_exist() -> None:
    """Every `make VERB` of the guides is one of the Makefile's."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for guide in ("docs/deploy.md", "docs/acr-tasks.md", "infra/README.md"):
        for verb in re.findall(r"make ([a-z][a-z-]+)", (ROOT / guide).read_text("utf-8")):
            assert re.search(rf"^{verb}:.* ## ", makefile, re.MULTILINE), (guide, verb)


def test_the_recipe_names_the_steps_of_the_task() -> None:
    """docs/acr-tasks.md explains each step."""
    recipe = (ROOT / "docs/acr-tasks.md").read_text("utf-8")
    steps = yaml.safe_load((ROOT / "infra/tasks/build.yaml").read_text("utf-8"))["steps"]
    assert [step["id"] for step in steps if f"`{step['id']}`" not in recipe] == []
    task = read(ROOT / "infra/tasks/task.bicep")
    assert [name for name in task.parameters if f"`{name}`" not in recipe] == []
