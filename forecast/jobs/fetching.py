"""`forecast fetch`: prices from Yahoo into the cache, with an outcome per ticker."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from forecast.counts import counted
from forecast.errors import InputError
from forecast.jobs.terminal import Terminal
from forecast.prices.fetching import FIRST_DAY, Outcome, fetch
from forecast.prices.parquet import write_partition
from forecast.prices.yahoo import Connection, check_tickers
from forecast.prices.yahoo_cache import Cached, cache_folder
from forecast.runs import make_folder

#: What is said of each ticker.
COLUMNS = ("ticker", "outcome", "sessions", "first", "last", "remark")


def fetch_prices(
    tickers: Sequence[str],
    start: date | None,
    end: date | None,
    terminal: Terminal,
    connection: Connection | None = None,
    path: Path | None = None,
) -> bool:
    """Download or refresh the tickers, print what became of each; return whether all are there.

    What could be had is kept; with `path` also there, as ``--source parquet`` reads it. Raises
    InputError for what is no ticker, for a range that ends before it starts and, after all else is
    done, for a ticker of which `path` has sessions that would be lost.
    """
    if not tickers:
        raise InputError("name the tickers: forecast fetch AAPL MSFT ^GSPC BRK-B.")
    names = check_tickers(tickers)
    first = start or FIRST_DAY
    if end is not None and end <= first:
        raise InputError(f"--start {first} is not before --end {end}.")
    with terminal.progress("fetching", len(names)) as bar:

        def told(outcome: Outcome) -> None:
            bar.step(str(outcome))

        found, outcomes = fetch(names, first, end, connection, on_outcome=told)
    shrunk = _write(path, found) if path else []
    _say(outcomes, found, connection, terminal)
    if shrunk:
        others = counted(len(shrunk) - 1, "more ticker")
        more = f" So it is with {others}." if len(shrunk) > 1 else ""
        raise InputError(f"{shrunk[0]}{more}")
    return all(each.status != "failed" for each in outcomes)


def _write(path: Path, found: dict[str, Cached]) -> list[InputError]:
    """Write partitions; return what was refused because sessions would be lost."""
    make_folder(path, "--path")
    shrunk = []
    for name, cached in found.items():
        try:
            write_partition(path, name, cached.rows)
        except InputError as error:
            shrunk.append(error)
    return shrunk


def _say(
    outcomes: Sequence[Outcome],
    found: dict[str, Cached],
    connection: Connection | None,
    terminal: Terminal,
) -> None:
    """Print a line per ticker, and how many of them are there."""
    rows = []
    for each in outcomes:
        span = ("", "")
        if each.ticker in found:
            days = found[each.ticker].rows.index
            span = (f"{days.min():%Y-%m-%d}", f"{days.max():%Y-%m-%d}")
        rows.append((each.ticker, each.status, str(each.sessions), *span, each.detail))
    folder = connection.folder if connection and connection.folder else cache_folder()
    terminal.table(f"Daily prices from Yahoo, kept in {folder}", ("", *COLUMNS[1:]), rows)
    terminal.data(tickers=pd.DataFrame(rows, columns=list(COLUMNS)))
    failed = [each.ticker for each in outcomes if each.status == "failed"]
    terminal.result(
        f"{len(outcomes) - len(failed)} of {counted(len(outcomes), 'ticker')} there"
        + (f"; without prices: {', '.join(failed)}" if failed else "")
    )
