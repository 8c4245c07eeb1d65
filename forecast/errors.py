"""What ends a command with one line: the command line prints it and exits with its code."""


class InputError(ValueError):
    """Something the user gave cannot be used (exit code 2).

    The message says what happened, what was expected and what to do.
    """


class DivergedError(ArithmeticError):
    """A training met numbers that are not finite (exit code 3); the message says where."""
