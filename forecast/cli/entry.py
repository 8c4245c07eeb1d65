"""Parse, call, and say what went wrong in one line."""

import atexit
import difflib
import gc
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import cyclopts
from cyclopts.config import Dict
from pydantic import ValidationError

from forecast.cli import (  # noqa: F401  (each adds its command)
    audit,
    check,
    daily,
    evaluate,
    explain,
    export,
    fetch,
    local_app,
    predict,
    report,
    rerun,
    runs,
    scores,
    study,
    track,
    train,
    tune,
)
from forecast.cli.app import BAD_INPUT, DIVERGED, STOPPED, app
from forecast.cli.streams import hang_up, take_every_text
from forecast.command_settings import DailySettings, TuneSettings
from forecast.errors import DivergedError, InputError
from forecast.escaping import printable, shown
from forecast.settings import Settings

#: Everything that may stand in a file for --config, for one command or another.
_FIELDS = {
    **DailySettings.model_fields,
    **TuneSettings.model_fields,
    **Settings.model_fields,
}

# at the end Python would look for garbage in all that was imported: a second, with TensorFlow
atexit.register(gc.freeze)

_LESS_MEMORY = "close other programs, or take fewer prices, or a smaller --batch-size or --units."


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 2 with one clear message for bad input."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    take_every_text()
    _quieten_libraries()
    try:
        app.config = _config(tokens)
        app(tokens, exit_on_error=False, print_error=False)
        sys.stdout.flush()  # a reader who hung up is noticed here
    except cyclopts.CycloptsError as error:
        cause = error.__cause__
        _fail(_explain(cause) if isinstance(cause, ValidationError) else str(error))
    except ValidationError as error:
        _fail(_explain(error))
    except InputError as error:
        _fail(str(error))
    except DivergedError as error:
        _fail(str(error), DIVERGED)
    except BrokenPipeError:
        hang_up()
    except MemoryError as error:
        _fail(f"the memory is used up ({error or 'nothing more to be had'}): {_LESS_MEMORY}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")
    except KeyboardInterrupt as error:
        print(str(error) or "stopped", file=sys.stderr)
        sys.exit(STOPPED)
    finally:
        app.config = ()  # the next command of this process has settings of its own
    sys.exit(0)


def _quieten_libraries() -> None:
    """Keep TensorFlow's notes for itself, and Keras on TensorFlow whatever a file at home says."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    for name in ("tensorflow", "matplotlib.font_manager", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _config(tokens: list[str]) -> tuple[Dict, ...]:
    """The settings in the file of ``--config FILE``; flags go over them."""
    for k, token in enumerate(tokens):
        if token.split("=")[0] == "--config":
            path = token.partition("=")[2] or "".join(tokens[k + 1 : k + 2])
            return (Dict(_read_yaml(path), use_commands_as_keys=False, source=path),)
    return ()


def _read_yaml(path: str) -> dict[str, Any]:
    from forecast.bounded import read_yaml

    try:
        content = read_yaml(Path(path)) or {}
    except InputError as error:
        raise InputError(f"--config {error}") from error
    if not isinstance(content, dict):
        raise InputError(
            f"--config {path}: expected lines such as 'units: 16', got {shown(content)}."
        )
    for key, value in content.items():
        field = _FIELDS.get(str(key).replace("-", "_"))
        if field is None:
            near = difflib.get_close_matches(str(key)[:80], _FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else "forecast train --help lists them."
            raise InputError(f"--config {path}: there is no setting {shown(key)}; {hint}")
        items = value if isinstance(value, list) else [value]
        if None in items:
            raise InputError(f"--config {path}: {key} has no value; give one, or leave it out.")
        if field.annotation is not bool and any(isinstance(item, bool) for item in items):
            raise InputError(
                f"--config {path}: YAML reads an unquoted on, off, yes or no as true or false; "
                f"put it in quotes at {key!r}."
            )
    return content


def _explain(error: ValidationError) -> str:
    """One line per wrong setting: the flag, what is wrong, what was given."""
    lines: dict[str, str] = {}
    for item in error.errors(include_url=False):
        message = re.sub(r"^Value error, ", "", item["msg"])
        place = str(item["loc"][0]) if item["loc"] else ""
        if place:
            flag = "--" + place.replace("_", "-")
            message = f"{flag}: {message[0].lower() + message[1:]}, got {shown(item['input'])}"
        lines.setdefault(place, message)
    return "; ".join(lines.values())


def _fail(message: str, code: int = BAD_INPUT) -> NoReturn:
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(code)
