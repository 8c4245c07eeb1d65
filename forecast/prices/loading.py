"""load_prices: from the settings to a trusted panel, whatever the source."""

import pandas as pd

from forecast.prices.bundled import read_bundled
from forecast.prices.cleaning import clean
from forecast.prices.csv import read_csv
from forecast.prices.panel import Panel, choose_tickers, no_sessions
from forecast.prices.repairs import Repair
from forecast.prices.source import Read, Rows
from forecast.prices.sp500 import read_sp500
from forecast.settings import PriceSettings


def load_prices(settings: PriceSettings) -> tuple[Panel, list[Repair]]:
    """Return the panel that the settings ask for and everything that was repaired in it.

    Only the chosen series and dates are checked. Raises InputError for unknown tickers, dates
    without sessions, prices that cannot be trusted, and whatever the source lacks.
    """
    read = _read(settings)
    calendar = read.calendar if settings.calendar == "auto" else settings.calendar
    chosen = choose_tickers(read.rows, settings.tickers) if settings.tickers else list(read.rows)
    rows = _between({name: read.rows[name] for name in chosen}, settings)
    panel, report = clean(
        rows, source=settings.source, sha256=read.sha256, calendar=calendar, scale=read.scale
    )
    return panel, read.report + report


def _read(settings: PriceSettings) -> Read:
    if settings.source == "csv":
        return read_csv(settings)
    if settings.source == "sp500":
        return read_sp500()
    return read_bundled()


def _between(rows: Rows, settings: PriceSettings) -> dict[str, pd.DataFrame]:
    """Return the rows from `start` to `end`, without series that have none there."""
    start, end = pd.Timestamp(settings.start or "1678"), pd.Timestamp(settings.end or "2262")
    if settings.start is None and settings.end is None:
        return dict(rows)
    kept = {name: each[(each.index >= start) & (each.index <= end)] for name, each in rows.items()}
    if not any(len(each) for each in kept.values()):
        days = [each.index for each in rows.values() if len(each)]
        raise no_sessions(
            settings.start, settings.end, min(d.min() for d in days), max(d.max() for d in days)
        )
    return {name: each for name, each in kept.items() if len(each)}
