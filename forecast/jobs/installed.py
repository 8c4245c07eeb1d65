"""Whether TensorFlow and Keras are there and new enough, told before they are loaded."""

import gc
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from forecast.errors import InputError

#: The oldest versions that work; those before let model files run code (see pyproject.toml).
NEEDED = {"tensorflow": "2.21", "keras": "3.15.1"}
#: Other names under which TensorFlow is installed.
_ALSO = {"tensorflow": ("tensorflow-cpu", "tensorflow-intel", "tensorflow-macos", "tf-nightly")}


def check_installed() -> None:
    """Raise InputError for a TensorFlow or Keras that is missing or too old, with the remedy."""
    for name, oldest in NEEDED.items():
        remedy = f'pip install --upgrade "{name}>={oldest}"'
        if find_spec(name) is None:
            raise InputError(f"{name} is not installed, and networks need it: {remedy}.")
        found = _version(name)
        if found and _numbers(found) < _numbers(oldest):
            raise InputError(f"{name} {found} is too old, expected {oldest} or newer: {remedy}.")


@contextmanager
def explained() -> Iterator[None]:
    """Turn a library that does not load into an InputError that says which one."""
    try:
        yield
    except ImportError as error:
        name = (error.name or "a library").split(".")[0]
        raise InputError(
            f"{name} is installed but does not load ({error}): install it again with "
            f"pip install --force-reinstall {name}."
        ) from error


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Let TensorFlow load without Python looking through all it makes for garbage.

    What it made is not looked through later either: it stays as long as the process does.
    """
    if "tensorflow" in sys.modules or not gc.isenabled():
        yield
        return
    gc.collect()  # what is garbage by now would be kept too
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _version(name: str) -> str:
    for package in (name, *_ALSO.get(name, ())):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
