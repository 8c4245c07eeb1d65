"""`forecast report`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, Output, Run, RunsDir, app


@app.command
def report(
    run: Run = None,
    /,
    *,
    out: Annotated[
        Path | None, Parameter(help="HTML file to write (default: report.html in the run folder)")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    output: Output = EVERYTHING,
) -> None:
    """Write a run as one HTML page that needs no network: verdict, charts, gradients, data."""
    from forecast.jobs.reporting import make_report
    from forecast.jobs.terminal import Terminal
    from forecast.runs import find_run

    with Terminal(output.quiet, json=output.json) as terminal:
        make_report(find_run(run, runs_dir), out, terminal)
