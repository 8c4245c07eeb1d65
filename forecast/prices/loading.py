"""load_prices: from the settings to a trusted panel, whatever the source."""

import pandas as pd

from forecast.prices.bundled import read_bundled
from forecast.prices.cleaning import clean
from forecast.prices.csv import read_csv
from forecast.prices.fetching import read_yahoo
from forecast.prices.panel import Panel, choose_tickers, no_sessions
from forecast.prices.repairs import Repair
from forecast.prices.source import Read
from forecast.prices.sp500 import read_sp500
from forecast.prices.wide import load_wide
from forecast.settings import PriceSettings


def load_prices(settings: PriceSettings) -> tuple[Panel, list[Repair]]:
    """Return the panel that the settings ask for and everything that was repaired in it.

    Only the chosen series and dates are checked. Raises InputError for unknown tickers, dates
    without sessions, prices that cannot be trusted, and whatever the source lacks.
    """
    if settings.source == "parquet":
        return load_wide(settings)
    read = _read(settings)
    report = list(read.report)
    rows = dict(read.rows)
    if settings.tickers and settings.source != "yahoo":  # yahoo was asked for these alone
        rows = {name: rows[name] for name in choose_tickers(rows, settings.tickers)}
    rows = _between(rows, settings, report)
    calendar = read.calendar if settings.calendar == "auto" else settings.calendar
    panel, repairs = clean(
        rows, source=settings.source, sha256=read.sha256, calendar=calendar, scale=read.scale
    )
    return panel, report + repairs


def _read(settings: PriceSettings) -> Read:
    if settings.source == "csv":
        return read_csv(settings)
    if settings.source == "sp500":
        return read_sp500()
    if settings.source == "yahoo":
        return read_yahoo(settings)
    return read_bundled()


def _between(
    rows: dict[str, pd.DataFrame], settings: PriceSettings, report: list[Repair]
) -> dict[str, pd.DataFrame]:
    """Return the rows from `start` to `end`; a series without any is left out, and said so."""
    if settings.start is None and settings.end is None:
        return rows
    start, end = pd.Timestamp(settings.start or "1678"), pd.Timestamp(settings.end or "2262")
    kept = {name: each[(each.index >= start) & (each.index <= end)] for name, each in rows.items()}
    absent = [name for name, each in kept.items() if each.empty and len(rows[name])]
    if absent and (settings.tickers or len(absent) == len(rows)):
        raise no_sessions(
            absent, (settings.start, settings.end), [rows[name].index for name in absent]
        )
    for name in absent:
        first, last = rows[name].index.min(), rows[name].index.max()
        detail = f"no prices in this range, only from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        report.append(Repair(name, None, "left out", detail))
    return {name: each for name, each in kept.items() if name not in absent}
