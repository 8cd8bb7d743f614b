"""The app's settings, read once from its environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from registrail.access import AccessKey, read_keys
from registrail.errors import SettingsError

SQLITE: Final = "sqlite:///"
_SWITCH: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set.

    Attributes:
        storage: `REGISTRAIL_STORAGE`: `sqlite:///path`, a storage account's connection string, or
            `UseDevelopmentStorage=true`. May be a secret.
        table_service_uri: `REGISTRAIL_STORAGE__tableServiceUri`: an account that the app's identity may use.
        client_id: `REGISTRAIL_STORAGE__clientId`: which identity, if the app has several.
        max_body_bytes: `REGISTRAIL_MAX_BODY_BYTES`: the largest body that a sender may send.
        keep_pulls: `REGISTRAIL_KEEP_PULLS`: whether pulls are recorded (only the open-source registry reports them).
        keep_blobs: `REGISTRAIL_KEEP_BLOBS`: whether layers and configs are recorded (likewise).
        keep_deliveries_days: `REGISTRAIL_KEEP_DELIVERIES_DAYS`: after how many days logged requests are deleted.
        keep_events_days: `REGISTRAIL_KEEP_EVENTS_DAYS`: likewise events and their counts; None keeps them for ever.
        access_keys: `REGISTRAIL_ACCESS_KEYS`: who may read, and who may replay; `name:role:sha256`, comma-separated.
        operators: `REGISTRAIL_OPERATORS`: object ids or names of signed-in people who may replay; in lower case.
        on_azure: whether this is the platform instead of somebody's desk (`WEBSITE_INSTANCE_ID` is set).
        site: what the function app is called (`WEBSITE_SITE_NAME`), if the platform says so.
        resource_group: where the function app is (`WEBSITE_RESOURCE_GROUP`), likewise.
        behind_sign_in: whether the platform signs people in before they reach the app (`WEBSITE_AUTH_ENABLED`).
    """

    storage: str | None = field(default=None, repr=False)
    table_service_uri: str | None = None
    client_id: str | None = None
    max_body_bytes: int = 1_048_576
    keep_pulls: bool = False
    keep_blobs: bool = False
    keep_deliveries_days: int = 30
    keep_events_days: int | None = None
    access_keys: tuple[AccessKey, ...] = ()
    operators: frozenset[str] = frozenset()
    on_azure: bool = False
    site: str | None = None
    resource_group: str | None = None
    behind_sign_in: bool = False

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> "Settings":
        """Read settings; an empty one counts as missing.

        Raises:
            SettingsError: with every problem there is.
        """
        problems: list[str] = []
        given = {name: value.strip() for name, value in environment.items() if value.strip()}

        def switch(name: str) -> bool:
            value = given.get(name, "false")
            if value.lower() not in _SWITCH:
                problems.append(f"{name} must be true or false, not {value!r}")
            return _SWITCH.get(value.lower(), False)

        def count(name: str, unit: str, most: int) -> int | None:
            value = given.get(name)
            if value is None:
                return None
            if not (value.isascii() and value.isdigit() and len(value) <= len(str(most)) and 0 < int(value) <= most):
                problems.append(f"{name} must be a number of {unit} from 1 to {most}, not {value[:40]!r}")
                return None
            return int(value)

        access_keys, wrong_keys = read_keys(given.get("REGISTRAIL_ACCESS_KEYS", ""))
        settings = cls(
            storage=given.get("REGISTRAIL_STORAGE"),
            table_service_uri=given.get("REGISTRAIL_STORAGE__tableServiceUri"),
            client_id=given.get("REGISTRAIL_STORAGE__clientId"),
            max_body_bytes=count("REGISTRAIL_MAX_BODY_BYTES", "bytes", 100_000_000) or 1_048_576,
            keep_pulls=switch("REGISTRAIL_KEEP_PULLS"),
            keep_blobs=switch("REGISTRAIL_KEEP_BLOBS"),
            keep_deliveries_days=count("REGISTRAIL_KEEP_DELIVERIES_DAYS", "days", 36_500) or 30,
            keep_events_days=count("REGISTRAIL_KEEP_EVENTS_DAYS", "days", 36_500),
            access_keys=access_keys,
            operators=frozenset(re.split(r"[,;\s]+", given.get("REGISTRAIL_OPERATORS", "").lower())) - {""},
            on_azure="WEBSITE_INSTANCE_ID" in given,
            site=given.get("WEBSITE_SITE_NAME"),
            resource_group=given.get("WEBSITE_RESOURCE_GROUP"),
            behind_sign_in=given.get("WEBSITE_AUTH_ENABLED", "").lower() == "true",
        )
        problems += [f"REGISTRAIL_ACCESS_KEYS: {problem}" for problem in wrong_keys]
        problems += settings._storage_problems()
        if problems:
            raise SettingsError(problems)
        return settings

    @property
    def sqlite_path(self) -> str | None:
        """The file of the embedded store, `:memory:`, or None if the store is an account."""
        if self.storage is None or not self.storage.startswith(SQLITE):
            return None
        return self.storage.removeprefix(SQLITE)

    def _storage_problems(self) -> list[str]:
        """What is wrong with where everything is to be kept."""
        path, uri = self.sqlite_path, self.table_service_uri
        rules = (
            (
                self.storage is None and uri is None,
                "REGISTRAIL_STORAGE is not set: give sqlite:///path, a connection string or UseDevelopmentStorage=true",
            ),
            (
                self.storage is not None and uri is not None,
                "REGISTRAIL_STORAGE and REGISTRAIL_STORAGE__tableServiceUri are both set: leave one out",
            ),
            (
                uri is not None and not uri.startswith("https://"),
                "REGISTRAIL_STORAGE__tableServiceUri must begin with https://",
            ),
            (path == "", "REGISTRAIL_STORAGE names no file: write sqlite:///path"),
            (
                bool(path) and self.on_azure,
                "REGISTRAIL_STORAGE names a file, but disks on Azure vanish: set REGISTRAIL_STORAGE__tableServiceUri",
            ),
            (
                self.storage is not None and path is None and "=" not in self.storage,
                "REGISTRAIL_STORAGE is neither sqlite:///path nor a connection string",
            ),
        )
        return [problem for applies, problem in rules if applies]
