"""What ends a command with one line: the command line prints it and exits with its code."""

import errno

#: What the system says when something cannot be written: no room, or not allowed.
NOT_WRITABLE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.EROFS, errno.EACCES, errno.EPERM),
)


class InputError(ValueError):
    """Something the user gave cannot be used (exit code 2).

    The message says what happened, what was expected and what to do.
    """


class DivergedError(ArithmeticError):
    """A training met numbers that are not finite (exit code 3); the message says where."""
