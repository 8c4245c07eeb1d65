"""`forecast fetch`."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, FAILED, Output, app
from forecast.errors import InputError


@app.command
def fetch(
    *tickers: Annotated[str, Parameter(help="tickers as Yahoo writes them: AAPL ^GSPC BRK-B")],
    start: Annotated[date | None, Parameter(help="first session (default: 2000-01-01)")] = None,
    end: Annotated[date | None, Parameter(help="last session (default: the newest)")] = None,
    format_: Annotated[
        Literal["cache", "parquet"],
        Parameter(name="--format", help="parquet: also write a folder for --source parquet"),
    ] = "cache",
    path: Annotated[Path | None, Parameter(help="that folder, with --format parquet")] = None,
    output: Output = EVERYTHING,
) -> None:
    """Download daily prices from Yahoo into the cache, from which training reads them offline.

    What is there already is not asked for again. Exit code 1 when a ticker could not be had; the
    others are kept.
    """
    if (format_ == "parquet") != (path is not None):
        raise InputError("--format parquet and --path DIR go together.")
    from forecast.jobs.fetching import fetch_prices
    from forecast.jobs.terminal import Terminal

    with Terminal(output.quiet, json=output.json) as terminal:
        done = fetch_prices(tickers, start, end, terminal, path=path)
    if not done:
        sys.exit(FAILED)
