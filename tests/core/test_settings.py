import pytest

from registrail.access import AccessKey
from registrail.errors import SettingsError
from registrail.settings import Settings
from registrail.storage import open_store

SECRET = "AccountName=a;AccountKey=hunter2;TableEndpoint=https://a.table.core.windows.net"  # noqa: S105 - made up
SQLITE = {"REGISTRAIL_STORAGE": "sqlite:///data/registrail.db"}
HASH = "1a" * 32
OTHER = "2b" * 32
ACCOUNT = {"REGISTRAIL_STORAGE__tableServiceUri": "https://a.table.core.windows.net"}


def problems(environment: dict[str, str]) -> tuple[str, ...]:
    """What is wrong with an environment."""
    with pytest.raises(SettingsError) as refused:
        Settings.from_env(environment)
    assert str(refused.value) == "; ".join(refused.value.problems)
    return refused.value.problems


def test_every_setting_is_read() -> None:
    """Each variable sets what the docstring says."""
    read = Settings.from_env(
        {
            **ACCOUNT,
            "REGISTRAIL_STORAGE__clientId": "client",
            "REGISTRAIL_MAX_BODY_BYTES": "7",
            "REGISTRAIL_KEEP_PULLS": "true",
            "REGISTRAIL_KEEP_BLOBS": "YES",
            "REGISTRAIL_KEEP_DELIVERIES_DAYS": "8",
            "REGISTRAIL_KEEP_EVENTS_DAYS": "9",
            "REGISTRAIL_ACCESS_KEYS": f"ci:reader:{HASH}, alice:operator:{OTHER.upper()};ci:reader:{'3' * 64}",
            "REGISTRAIL_OPERATORS": "Bob@example.com, 6f9a; ",
            "WEBSITE_INSTANCE_ID": "0123",
            "WEBSITE_AUTH_ENABLED": "True",
            "UNRELATED": "x",
        }
    )
    assert read == Settings(
        storage=None,
        table_service_uri="https://a.table.core.windows.net",
        client_id="client",
        max_body_bytes=7,
        keep_pulls=True,
        keep_blobs=True,
        keep_deliveries_days=8,
        keep_events_days=9,
        access_keys=(
            AccessKey(name="ci", role="reader", digest=bytes.fromhex(HASH)),
            AccessKey(name="alice", role="operator", digest=bytes.fromhex(OTHER)),
            AccessKey(name="ci", role="reader", digest=bytes.fromhex("3" * 64)),
        ),
        operators=frozenset({"bob@example.com", "6f9a"}),
        on_azure=True,
        behind_sign_in=True,
    )


def test_what_is_not_set_has_a_default() -> None:
    """Only the storage must be given; an empty variable is one that is not set."""
    empty = dict.fromkeys(("REGISTRAIL_KEEP_PULLS", "REGISTRAIL_MAX_BODY_BYTES", "WEBSITE_INSTANCE_ID"), " ")
    assert Settings.from_env({**SQLITE, **empty}) == Settings(storage="sqlite:///data/registrail.db")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "REGISTRAIL_STORAGE is not set"),
        ({"REGISTRAIL_STORAGE": "  "}, "REGISTRAIL_STORAGE is not set"),
        ({**SQLITE, **ACCOUNT}, "are both set"),
        ({"REGISTRAIL_STORAGE__tableServiceUri": "http://a"}, "must begin with https://"),
        ({"REGISTRAIL_STORAGE": "sqlite:///"}, "names no file"),
        ({"REGISTRAIL_STORAGE": "/data/registrail.db"}, "neither sqlite:///path nor a connection string"),
        ({"REGISTRAIL_STORAGE": "sqlite://data"}, "neither sqlite:///path nor a connection string"),
        ({**SQLITE, "REGISTRAIL_KEEP_BLOBS": "maybe"}, "REGISTRAIL_KEEP_BLOBS must be true or false, not 'maybe'"),
        ({**SQLITE, "REGISTRAIL_KEEP_PULLS": "2"}, "REGISTRAIL_KEEP_PULLS must be true or false, not '2'"),
    ],
)
def test_each_mistake_is_named(environment: dict[str, str], expected: str) -> None:
    """One problem is one line that names the variable."""
    [problem] = problems(environment)
    assert expected in problem


@pytest.mark.parametrize(
    "name", ["REGISTRAIL_MAX_BODY_BYTES", "REGISTRAIL_KEEP_DELIVERIES_DAYS", "REGISTRAIL_KEEP_EVENTS_DAYS"]
)
@pytest.mark.parametrize(
    "value",
    ["0", "-1", "1.5", "1e6", "many", "٣", "²", "0x10", "9" * 30, "9" * 5000, "0" * 19 + "1" + "9" * 30],
)
def test_numbers_are_above_zero_and_not_absurd(name: str, value: str) -> None:
    """Anything else is a problem that names the variable and fits into a line."""
    [problem] = problems({**SQLITE, name: value})
    assert (problem.startswith(name), len(problem) < 150) == (True, True)


def test_all_problems_are_told_at_once() -> None:
    """Nobody must start the app four times to learn of four mistakes."""
    environment = {
        "REGISTRAIL_MAX_BODY_BYTES": "x",
        "REGISTRAIL_KEEP_PULLS": "x",
        "REGISTRAIL_KEEP_BLOBS": "x",
        "REGISTRAIL_ACCESS_KEYS": "x,y:reader:z",
        "REGISTRAIL_STORAGE": "x",
        "REGISTRAIL_STORAGE__tableServiceUri": "x",
    }
    assert [problem.split()[0].rstrip(":") for problem in problems(environment)] == [
        "REGISTRAIL_MAX_BODY_BYTES",
        "REGISTRAIL_KEEP_PULLS",
        "REGISTRAIL_KEEP_BLOBS",
        "REGISTRAIL_ACCESS_KEYS",
        "REGISTRAIL_ACCESS_KEYS",
        "REGISTRAIL_STORAGE",
        "REGISTRAIL_STORAGE__tableServiceUri",
        "REGISTRAIL_STORAGE",
    ]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (",", "names no key"),
        (HASH, "entry 1 is not name:role:sha256"),
        (f"ci:{HASH}", "entry 1 (ci) must have the role reader or operator"),
        (f"ci:admin:{HASH}", "entry 1 (ci) must have the role reader or operator"),
        ("ci:reader:", "entry 1 (ci) must end with a SHA-256"),
        (f"ci:reader:{HASH[:-1]}", "entry 1 (ci) must end with a SHA-256"),
        (f"ci:reader:{HASH}:x", "entry 1 (ci) is not name:role:sha256"),
        (f":reader:{HASH}", "entry 1 must begin with a name"),
        (f"c~i:reader:{HASH}", "entry 1 must begin with a name"),
        (f"ci:reader:{HASH},cd:operator:{HASH}", "entry 2 (cd) has the same hash as one before it"),
        (f"ci:reader:rgt_{'x' * 48}", "entry 1 (ci) holds a key; settings hold only its hash"),
        (f"rgt_{'x' * 48}", "entry 1 holds a key"),
    ],
)
def test_wrong_access_keys_are_named(keys: str, expected: str) -> None:
    """By number and name, and without a hash or what may be a key."""
    [problem] = problems({**SQLITE, "REGISTRAIL_ACCESS_KEYS": keys})
    assert problem.startswith(f"REGISTRAIL_ACCESS_KEYS: {expected}")
    assert [secret for secret in (HASH[:20], "xxxx") if secret in problem] == []


@pytest.mark.parametrize("path", ["data/registrail.db", ":memory:"])
def test_sqlite_is_refused_on_azure(path: str) -> None:
    """Many instances, and disks that vanish."""
    environment = {"REGISTRAIL_STORAGE": f"sqlite:///{path}", "WEBSITE_INSTANCE_ID": "0123"}
    [problem] = problems(environment)
    assert "disks on Azure vanish" in problem


def test_accounts_are_fine_on_azure() -> None:
    """With an identity or with a connection string."""
    for storage in (ACCOUNT, {"REGISTRAIL_STORAGE": SECRET}):
        assert Settings.from_env({**storage, "WEBSITE_INSTANCE_ID": "0123"}).on_azure


def test_secrets_do_not_show() -> None:
    """Neither in a repr nor in a problem."""
    shown = repr(Settings.from_env({"REGISTRAIL_STORAGE": SECRET, "REGISTRAIL_ACCESS_KEYS": f"ci:reader:{HASH}"}))
    assert ("hunter2" in shown, HASH in shown, repr(bytes.fromhex(HASH)) in shown) == (False, False, False)
    assert "hunter2" not in " ".join(problems({"REGISTRAIL_STORAGE": SECRET, **ACCOUNT, "REGISTRAIL_KEEP_PULLS": "x"}))


@pytest.mark.parametrize(
    ("storage", "path"),
    [("sqlite:///a/b.db", "a/b.db"), ("sqlite:////a/b.db", "/a/b.db"), (SECRET, None), (None, None)],
)
def test_path_of_the_file(storage: str | None, path: str | None) -> None:
    """What follows three slashes; a fourth makes it absolute."""
    assert Settings(storage=storage).sqlite_path == path


def test_a_connection_string_that_is_none() -> None:
    """It is a mistake in the settings, and its text, which may be a secret, is not repeated."""
    with pytest.raises(SettingsError, match="REGISTRAIL_STORAGE is not a connection string") as refused:
        open_store(Settings(storage="AccountKey=hunter2"))
    assert "hunter2" not in str(refused.value)
