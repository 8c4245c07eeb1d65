"""Arrays too large for comfort live in a file that has no name: the system keeps what is used."""

import math
import mmap
import os
import tempfile
from pathlib import Path

import numpy as np

from forecast.errors import InputError

#: Bytes from which an array is put in a file.
LARGE = 2**28


def new_array(shape: tuple[int, ...], dtype: type[np.floating] = np.float32) -> np.ndarray:
    """Return an array of zeros; from 256 MB on it is memory-mapped.

    Its file is in $FORECAST_CACHE_DIR, or in the user's folder for caches, has no name and is gone
    with the process. Raises InputError when there is no room for it.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LARGE:
        return np.zeros(shape, dtype)
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # no room is told now, not by a signal later
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            # no np.memmap: joblib would send its name, and there is none, instead of what it holds
            return np.frombuffer(mmap.mmap(file.fileno(), size), dtype).reshape(shape)
    except OSError as error:
        raise InputError(
            f"{folder} has no room for {size / 2**20:,.0f} MB ({error.strerror}): make room, or "
            "name another folder in the environment variable FORECAST_CACHE_DIR."
        ) from error


def is_large(array: np.ndarray) -> bool:
    """Say whether an array of this size is memory-mapped by `new_array`."""
    return array.nbytes >= LARGE


def _folder() -> Path:
    own = os.environ.get("FORECAST_CACHE_DIR")
    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(shared) / "forecast"
