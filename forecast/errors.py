"""The one exception a user can cause: the command line prints it and exits with code 2."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message says what happened, what was expected and what to do.
    """
