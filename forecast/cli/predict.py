"""`forecast predict`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import Quiet, Run, RunsDir, app


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
