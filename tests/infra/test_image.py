"""The Dockerfile: linted, pinned, in two stages, without root. No Docker engine is needed, and none is here."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Final

import pytest

from tests.infra.code import ROOT

SOURCE: Final = (ROOT / "Dockerfile").read_text("utf-8")
BIN: Final = Path(sys.executable).parent
TODAY: Final = "sha256:" + "0123456789abcdef" * 4


def lines(keyword: str) -> list[str]:
    """What stands after an instruction, wherever it is used, with continued lines joined."""
    joined = SOURCE.replace("\\\n", " ")
    return [line.partition(" ")[2].strip() for line in joined.splitlines() if line.startswith(f"{keyword} ")]


def test_hadolint_has_nothing_to_say() -> None:
    """At its strictest."""
    command = [str(BIN / "hadolint"), "--failure-threshold", "style", str(ROOT / "Dockerfile")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)  # noqa: S603 - our own tool
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_say_something(tmp_path: Path) -> None:
    """It is not silent about everything."""
    (tmp_path / "Dockerfile").write_text(SOURCE.replace("USER 10001:10001", "RUN sudo true\nUSER root"), "utf-8")
    command = [str(BIN / "hadolint"), "--failure-threshold", "style", str(tmp_path / "Dockerfile")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)  # noqa: S603 - our own tool
    assert done.returncode == 1
    assert "DL3002" in done.stdout


def test_the_base_is_the_official_image_by_digest() -> None:
    """An argument, so that a registry's own copy can stand in; by default pinned."""
    (base,) = (line for line in lines("ARG") if line.startswith("BASE_IMAGE="))
    assert base.startswith("BASE_IMAGE=mcr.microsoft.com/azure-functions/python:4-python3.13@sha256:")
    assert lines("FROM") == ["${BASE_IMAGE} AS packages", "${BASE_IMAGE} AS runtime"]


def test_the_app_runs_as_nobody_special() -> None:
    """The last word is a number, which Kubernetes can check, and the port is one that needs no root."""
    assert lines("USER") == ["10001:10001"]
    assert lines("EXPOSE") == ["8080"]
    assert "ASPNETCORE_URLS=http://+:8080" in lines("ENV")[0]


def test_health_is_checked() -> None:
    """By the app's own answer, with the Python that is there."""
    (check,) = lines("HEALTHCHECK")
    assert "http://127.0.0.1:8080/api/health" in check


def test_what_is_copied_is_there_and_nothing_else() -> None:
    """The build context has what COPY names; settings, caches and git stay out."""
    copied = [word for line in lines("COPY") if not line.startswith("--from") for word in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {".git", ".venv*", "local.settings.json"} <= set(ignored)
    assert not any(name.startswith(tuple(copied)) for name in ignored if name and not name.startswith(("#", ".", "*")))


class _Registry(BaseHTTPRequestHandler):
    """A registry that knows one tag."""

    def do_HEAD(self) -> None:
        found = self.path == "/v2/azure-functions/python/manifests/4-python3.13" and "index" in self.headers["Accept"]
        self.send_response(200 if found else 404)
        if found:
            self.send_header("Docker-Content-Digest", TODAY)
        self.end_headers()

    def log_message(self, format: str, *_args: object) -> None:  # noqa: A002 - its name
        """Say nothing."""


@pytest.fixture
def digest(tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs base_digest.py on a copy of the Dockerfile, against a registry on loopback."""
    (tmp_path / "Dockerfile").write_text(SOURCE, "utf-8")
    server = HTTPServer(("127.0.0.1", 0), _Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        where = ["--dockerfile", str(tmp_path / "Dockerfile"), "--registry", f"http://127.0.0.1:{server.server_port}"]
        command = [sys.executable, str(ROOT / "tools/infra/base_digest.py"), *where, *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)  # noqa: S603 - our own

    yield run
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.sockets
def test_an_old_pin_is_reported_and_renewed(
    digest: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Exit code 1 while the pin is old; `--write` changes the digest and nothing else; then all is well."""
    reported = digest()
    assert (reported.returncode, f"is now {TODAY}" in reported.stdout) == (1, True)
    assert (tmp_path / "Dockerfile").read_text("utf-8") == SOURCE
    assert digest("--write").returncode == 0
    pinned = SOURCE.partition("@")[2].partition("\n")[0]
    assert (tmp_path / "Dockerfile").read_text("utf-8") == SOURCE.replace(pinned, TODAY)
    assert digest().returncode == 0


@pytest.mark.sockets
def test_a_registry_without_the_tag_is_an_error(
    digest: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """It says what it asked for, and writes nothing."""
    other = SOURCE.replace("python:4-python3.13@", "python:9-python9@")
    (tmp_path / "Dockerfile").write_text(other, "utf-8")
    failed = digest("--write")
    assert failed.returncode == 1
    assert "azure-functions/python:9-python9" in failed.stderr
    assert (tmp_path / "Dockerfile").read_text("utf-8") == other
