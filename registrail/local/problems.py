"""What goes wrong on a desk and is not the app's fault."""

from registrail.errors import RegistrailError


class LocalError(RegistrailError):
    """The local host cannot do what was asked; the message is one line for the person at the keyboard."""

    reason = "local"


class FunctionFailedError(RegistrailError):
    """A function raised, or returned what the platform refuses; the log has its traceback."""

    reason = "function-failed"

    def __init__(self, name: str) -> None:
        super().__init__(f"the function {name} failed")
