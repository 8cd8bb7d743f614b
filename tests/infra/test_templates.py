"""The templates hold what each check says, and each check catches the faults that it is there for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.infra.checks import CHECKS
from tests.infra.code import ROOT, Code, code
from tests.infra.tree import Tree, copy

FAULTS: Final[list[Mapping[str, str]]] = yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text("utf-8"))


@pytest.fixture(scope="session")
def read_code() -> Code:
    """What the code names."""
    return code()


@pytest.fixture(scope="session")
def tree(read_code: Code) -> Tree:
    """This checkout."""
    return Tree(ROOT, read_code)


@pytest.mark.parametrize("name", CHECKS)
def test_the_templates_are_right(name: str, tree: Tree) -> None:
    """In each scene: the small set, the production set, everything there is, a registry that was there before."""
    assert list(CHECKS[name](tree)) == []


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{fault['check']}: {fault['fault']}" for fault in FAULTS])
def test_a_fault_is_caught(fault: Mapping[str, str], tmp_path: Path, read_code: Code) -> None:
    """In a copy with one fault the named check finds something."""
    copy(tmp_path)
    path = tmp_path / fault["path"]
    source = path.read_text("utf-8")
    assert fault["old"] in source, "there is nothing to break"
    path.write_text(source.replace(fault["old"], fault["new"]), "utf-8")
    assert list(CHECKS[fault["check"]](Tree(tmp_path, read_code))) != []


def test_every_check_has_its_faults() -> None:
    """None is there that was never seen to find anything."""
    assert {fault["check"] for fault in FAULTS} == set(CHECKS)
