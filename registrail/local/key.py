"""`registrail key`: make an access key."""

import secrets
from typing import Annotated

import typer

from registrail import access
from registrail.access import AccessKey, Role


def key(
    name: Annotated[str, typer.Argument(help="Who or what will use it, such as ci; it appears in the log.")],
    *,
    role: Annotated[Role, typer.Option(help="A reader sees everything; an operator may replay, too.")] = "reader",
) -> None:
    """Make an access key for NAME.

    The key is shown once and kept nowhere; what goes into the app's settings is its hash.

    Several keys are valid at once, so to replace one add the new line, hand out the key, and remove the old line.

    For instance:

        registrail key grafana

        registrail key alice --role operator
    """
    if not access.is_name(name):
        typer.echo(
            f"registrail: {name[:80]!r} is no name: 1 to 64 letters, digits, dots, dashes or underscores, "
            "with a letter or digit at both ends",
            err=True,
        )
        raise typer.Exit(2)
    made = access.new_key(secrets.token_bytes(access.KEY_BYTES))
    setting = AccessKey(name=name, role=role, digest=access.digest_of(made)).setting
    typer.echo(
        f"The key, shown only now; send it as Authorization: Bearer, never in an address:\n\n"
        f"  {made}\n\n"
        f"For REGISTRAIL_ACCESS_KEYS, separated by a comma from what is there already:\n\n"
        f"  {setting}\n"
    )
