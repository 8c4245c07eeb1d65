"""One process at a time in a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from forecast.errors import InputError

try:
    import fcntl
except ImportError:  # Windows has no flock; there two processes are not kept apart
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder while the block runs.

    The system lets go of the lock when its process ends, however it ends: a dead process keeps
    nobody out. Raises InputError when a living one is in the folder.
    """
    path = folder / LOCK
    with _locked(path) as file:
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str]:
    """Open and lock a file; the lock is held until the file is closed."""
    while True:
        file = path.open("a+", encoding="utf-8")
        file.seek(0)
        if fcntl is None:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            with file:
                owner = file.read(20).strip() or "(unknown)"
            raise InputError(
                f"{path.parent} is in use by process {owner}: wait until it is done, or stop it."
            ) from error
        except OSError:  # a network folder that knows no locks
            return file
        if _is_there(path, file):
            return file
        file.close()  # the one who held it has just taken it away: lock the new one


def _is_there(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
