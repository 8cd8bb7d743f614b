import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrail.web.image_words import manifest, pull_commands

DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def test_how_to_get_an_image() -> None:
    """By its digest, with tools that people have."""
    image = f"r.azurecr.io/team/app@{DIGEST}"
    assert pull_commands("r.azurecr.io", "team/app", DIGEST) == (
        ("Docker", f"docker pull {image}"),
        ("Skopeo", f"skopeo inspect docker://{image}"),
    )
    assert pull_commands("localhost:5000", "a", DIGEST) != ()


@pytest.mark.parametrize(
    ("registry", "repository", "digest"),
    [
        ("r.io", "team/app", None),
        ("r.io", "team/app", ""),
        ("r.io", "team/app", "sha256:short"),
        ("r.io", "team/app", f"{DIGEST}; curl evil"),
        ("r.io", "team/app", f"{DIGEST}\n"),
        ("r.io", "$(reboot)", DIGEST),
        ("r.io", "a;b", DIGEST),
        ("r.io", "a\nb", DIGEST),
        ("r.io", "Team/App", DIGEST),
        ("-r", "a", DIGEST),
        ("r.io", "a" * 300, DIGEST),
        ("", "a", DIGEST),
    ],
)
def test_names_that_no_tool_takes(registry: str, repository: str, digest: str | None) -> None:
    """Have no command: somebody chose them, and somebody else would paste them into a shell."""
    assert pull_commands(registry, repository, digest) == ()


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=80))
def test_a_command_is_three_words_at_most(registry: str, repository: str, digest: str) -> None:
    """A shell sees no more than the program, its verb, and one image."""
    for candidate in (digest, DIGEST):
        for _, command in pull_commands(registry, repository, candidate):
            assert len(shlex.split(command)) == 3
            assert command.isascii()
            assert command.isprintable()


def test_kinds_of_manifests() -> None:
    """As people say it; what is not known is shown as it is."""
    kinds = [manifest(f"application/vnd.{one}") for one in ("oci.image.index.v1+json", "acr.helm.chart", "else")]
    assert kinds == ["OCI index", "Helm chart", "application/vnd.else"]
