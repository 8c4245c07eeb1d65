"""`forecast rerun`."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, FAILED, Output, Run, RunsDir, app


@app.command
def rerun(
    run: Run = None,
    /,
    *,
    name: Annotated[
        str | None, Parameter(help="name of the new run folder (default: date, time and source)")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    output: Output = EVERYTHING,
) -> None:
    """Repeat a run into a new folder, and say which files are the same and what differs.

    The run's own copy of its prices is used; versions, machine and prices that changed since are
    told first. Times aside, the same machine gives the same bytes. Exit code 0: all the same, 1:
    something differs.
    """
    from forecast.jobs.rerunning import repeat_of, say_sameness
    from forecast.jobs.terminal import Terminal, startup_notes_hidden
    from forecast.runs import find_run

    folder = find_run(run, runs_dir)
    with Terminal(output.quiet, json=output.json) as terminal:
        start = repeat_of(folder, name, runs_dir, terminal)
        with startup_notes_hidden():
            from forecast.jobs.training import train

        same = say_sameness(folder, train(start, terminal), terminal)
    if not same:
        sys.exit(FAILED)
