"""`forecast explain`."""

from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, Output, Run, RunsDir, app


@app.command
def explain(
    run: Run = None,
    /,
    *,
    ticker: Annotated[
        str | None, Parameter(help="whose prices to look at (default: the first trained on)")
    ] = None,
    start: Annotated[
        date | None,
        Parameter(name="--from", help="first session (default: 60 before its steepest fall)"),
    ] = None,
    end: Annotated[
        date | None, Parameter(name="--to", help="last session (default: 60 after that fall)")
    ] = None,
    lags: Annotated[
        int | None, Parameter(help="lags to show, in sessions (default: the whole window)")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    output: Output = EVERYTHING,
) -> None:
    """Look into a run's networks on one ticker: gates beside the price, gradients, inputs.

    Writes pictures and tidy frames to explain/TICKER in the run folder and says what it found.
    """
    from forecast.jobs.terminal import Terminal, startup_notes_hidden
    from forecast.runs import find_run

    folder = find_run(run, runs_dir)
    with startup_notes_hidden():
        from forecast.jobs.explaining import Span, explain

    with Terminal(output.quiet, json=output.json) as terminal:
        explain(folder, ticker, Span(start, end, lags), terminal)
