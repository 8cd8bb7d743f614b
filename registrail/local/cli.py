"""The command `registrail`."""

import typer

from registrail.local import (
    account,
    cost,
    demo,
    doctor,
    exporting,
    importing,
    key,
    past,
    read,
    rebuilding,
    replay,
    send,
    serve,
)

app = typer.Typer(
    name="registrail",
    help="""The flight recorder for container registries.

    To see it work, serve it here and push something:

        registrail serve

        registrail send push --repository team/app --tag v1

        registrail timeline team/app v1

    Commands that read ask http://localhost:7071; else say --url (or REGISTRAIL_URL) with a key in REGISTRAIL_KEY, or
    --storage to read the tables without an app.

    Each command explains itself, e.g. registrail serve --help.
    """,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.add_typer(send.app, name="send")
for commands in (read, past, account, exporting, importing, replay, rebuilding, doctor):
    commands.register(app)
app.command()(key.key)
app.command()(cost.cost)
app.command()(demo.demo)
