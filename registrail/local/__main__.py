"""`python -m registrail.local` is the command `registrail`."""

from registrail.local.cli import app

app(prog_name="registrail")
