"""The report of a run, after a training or on its own."""

from pathlib import Path

from forecast.errors import InputError
from forecast.jobs.terminal import Terminal


def make_report(run: Path, out: Path | None, terminal: Terminal) -> Path:
    """Write the report of a run to `out` (default: ``report.html`` in the run) and print its path.

    Raises InputError when it cannot be written.
    """
    from forecast.report import write_report

    path = out or run / "report.html"
    try:
        with terminal.stage("report"):
            write_report(run, path)
    except OSError as error:
        raise InputError(
            f"the report {path} cannot be written: {error.strerror}; choose another --out."
        ) from error
    terminal.path(path)
    return path


def add_report(run: Path, terminal: Terminal) -> None:
    """Write the report at the end of a run; what goes wrong is said and spoils nothing."""
    from forecast.report import write_report

    try:
        with terminal.stage("report"):
            path = write_report(run)
        terminal.line(f"report: {path}")
    except Exception as error:  # the run is done and stays so
        terminal.line(f"no report: {type(error).__name__}: {error}")
