"""The command `registrail`."""

import typer

from registrail.local import demo, replay, send, serve

app = typer.Typer(
    name="registrail",
    help="""The flight recorder for container registries.

    To see it work, serve it here and push something:

        registrail serve

        registrail send push --repository team/app --tag v1

    Each command explains itself, e.g. registrail serve --help.
    """,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.add_typer(send.app, name="send")
app.command()(replay.replay)
app.command()(demo.demo)
