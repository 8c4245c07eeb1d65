"""The command line: parse, call, print. Scripts in scripts/ are thin faces of it."""

import difflib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import cyclopts
from cyclopts import App, Parameter
from cyclopts.config import Dict
from pydantic import ValidationError

from forecast import __version__
from forecast.errors import InputError
from forecast.settings import BacktestSettings, Settings

#: Exit codes: 0 done, 1 a leak was found, 2 something the user can mend, 130 stopped by Ctrl-C.
LEAK, BAD_INPUT, STOPPED = 1, 2, 130

app = App(
    name="forecast",
    version=__version__,
    help="Honest distribution forecasts of prices, with an LSTM made of glass.",
    default_parameter=Parameter(consume_multiple=True, negative=()),
    suppress_keyboard_interrupt=False,
)

DEFAULTS = Settings()
Run = Annotated[Path | None, Parameter(help="run folder or its name (default: the newest run)")]
RunsDir = Annotated[Path, Parameter(help="folder of the run folders")]
Quiet = Annotated[bool, Parameter(help="print the result only")]


@app.command
def train(
    *,
    settings: Annotated[Settings, Parameter(name="*")] = DEFAULTS,
    config: Annotated[
        Path | None, Parameter(help="YAML file of settings; flags go over it")
    ] = None,
) -> None:
    """Train on past prices, walk forward against honest baselines, write a run folder.

    Without any flag: the bundled prices, our LSTM beside Keras's.
    """
    from forecast.jobs.prepare import prepare
    from forecast.jobs.terminal import Terminal, startup_notes_hidden

    terminal = Terminal(settings.quiet)
    prepared = prepare(settings, terminal)  # bad prices are told before TensorFlow starts
    with startup_notes_hidden():
        from forecast.jobs.training import train

    train(settings, prepared, terminal)


ONCE = BacktestSettings()


@app.command(name=["evaluate", "backtest"])
def evaluate(
    run: Run = None,
    /,
    *,
    walk: Annotated[BacktestSettings, Parameter(name="*")] = ONCE,
    runs_dir: RunsDir = Path("runs"),
    quiet: Quiet = False,
) -> None:
    """Walk a saved run forward over its test part again; print scores and verdicts.

    With --refit-every its networks are trained anew in every fold; a walk that was stopped goes on
    where it was.
    """
    from forecast.jobs.terminal import Terminal, startup_notes_hidden
    from forecast.runs import find_run

    folder = find_run(run, runs_dir)
    with startup_notes_hidden():
        from forecast.jobs.evaluating import evaluate

    evaluate(folder, walk, Terminal(quiet))


@app.command
def audit(run: Run = None, /, *, runs_dir: RunsDir = Path("runs"), quiet: Quiet = False) -> None:
    """Try to catch a run's network looking into the future; exit code 1 when it does."""
    from forecast.jobs.terminal import Terminal, startup_notes_hidden
    from forecast.runs import find_run

    folder = find_run(run, runs_dir)
    with startup_notes_hidden():
        from forecast.jobs.auditing import audit_run

    if not audit_run(folder, Terminal(quiet)):
        sys.exit(LEAK)


@app.command
def predict(
    run: Run = None,
    /,
    *,
    tickers: Annotated[
        tuple[str, ...], Parameter(help="tickers to forecast (default: those trained on)")
    ] = (),
    out: Annotated[
        Path | None, Parameter(help="folder for the files (default: in the run folder)")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    quiet: Quiet = False,
) -> None:
    """Forecast the sessions after the last one known: table, CSV, JSON and fan charts."""
    from forecast.jobs.terminal import Terminal, startup_notes_hidden
    from forecast.runs import find_run

    folder = find_run(run, runs_dir)
    with startup_notes_hidden():
        from forecast.jobs.predicting import predict

    predict(folder, tickers, out, Terminal(quiet))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 2 with one clear message for bad input."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up notes
    try:
        app.config = _config(tokens)
        app(tokens, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        cause = error.__cause__
        _fail(_explain(cause) if isinstance(cause, ValidationError) else str(error))
    except ValidationError as error:
        _fail(_explain(error))
    except InputError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        sys.exit(STOPPED)
    sys.exit(0)


def _config(tokens: list[str]) -> tuple[Dict, ...]:
    """The settings in the file of ``--config FILE``; flags go over them."""
    for k, token in enumerate(tokens):
        if token.split("=")[0] == "--config":
            path = token.partition("=")[2] or "".join(tokens[k + 1 : k + 2])
            return (Dict(_read_yaml(path), use_commands_as_keys=False, source=path),)
    return ()


def _read_yaml(path: str) -> dict[str, Any]:
    import yaml

    try:
        with Path(path).open(encoding="utf-8") as file:
            content = yaml.safe_load(file) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"--config {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"--config {path}: expected lines such as 'units: 16', got {content!r}.")
    for key, value in content.items():
        field = Settings.model_fields.get(str(key).replace("-", "_"))
        if field is None:
            near = difflib.get_close_matches(str(key), Settings.model_fields, n=1)
            hint = f"did you mean {near[0]}?" if near else "forecast train --help lists them."
            raise InputError(f"--config {path}: there is no setting {key!r}; {hint}")
        items = value if isinstance(value, list) else [value]
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
            message = f"{flag}: {message[0].lower() + message[1:]}, got {item['input']!r}"
        lines.setdefault(place, message)
    return "; ".join(lines.values())


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(BAD_INPUT)
