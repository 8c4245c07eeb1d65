"""`forecast track`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, Output, RunsDir, app
from forecast.command_settings import LEDGER


@app.command
def track(
    path: Annotated[
        Path | None, Parameter(help="the ledger (default: ledger.sqlite in the folder of the runs)")
    ] = None,
    /,
    *,
    out: Annotated[
        Path | None, Parameter(help="also write every scored forecast there (.csv or .parquet)")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    output: Output = EVERYTHING,
) -> None:
    """Print the live track record of the forecasts that `forecast daily` made; change nothing."""
    from forecast.jobs.record import show_ledger
    from forecast.jobs.terminal import Terminal

    with Terminal(output.quiet, json=output.json) as terminal:
        show_ledger(path or runs_dir / LEDGER, out, terminal)
