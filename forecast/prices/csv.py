"""Prices, or any dated series, from CSV files: long, wide, one per ticker, as saved by others."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from forecast.bounded import check_cells
from forecast.counts import counted
from forecast.errors import InputError
from forecast.prices.csv_cells import parse_dates, read_cells
from forecast.prices.csv_columns import Layout, recognise
from forecast.prices.csv_file import check_file, read_header
from forecast.prices.repairs import Repair
from forecast.prices.sessions import EVERY_DAY, WEEKDAYS, sessions_between
from forecast.prices.source import Read, Rows, Scale
from forecast.settings import PriceSettings

#: From this share of values at or below zero on, a wide table is no table of prices.
_NO_PRICES_SHARE = 0.01
#: Two days of seven are on weekends where there is trade on every day.
_WEEKEND_SHARE = 0.2


def read_csv(settings: PriceSettings) -> Read:
    """Return the series of all files of `settings.csv`.

    A series is named by the id column, by its column, or by its file; files may continue one
    another. Raises InputError, with file and line, for what is no table of dated numbers.
    """
    rows: dict[str, pd.DataFrame] = {}
    report: list[Repair] = []
    hashes: list[str] = []
    kinds: dict[str, Path] = {}
    for path in settings.csv:
        sha256, size = check_file(path, settings.sep)
        hashes.append(sha256)
        layout, found = _read_file(path, settings, size, report)
        for name, each in found.items():
            kinds.setdefault(layout.kind, path)
            rows[name] = _continued(name, rows[name], each, path) if name in rows else each
    scale = _infer_scale(rows, kinds, report)
    calendar = _infer_calendar(rows, kinds) if settings.calendar == "auto" else settings.calendar
    if settings.calendar == "auto" and calendar != "XNYS":
        detail = f"{calendar} taken, as the dates suggest; --calendar names another"
        report.append(Repair(settings.csv[0].name, None, "calendar", detail))
    joined = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    return Read(rows, joined, calendar, scale, report)


def _read_file(
    path: Path, settings: PriceSettings, size: tuple[int, int], report: list[Repair]
) -> tuple[Layout, dict[str, pd.DataFrame]]:
    header = read_header(path, settings.sep)
    check_cells(path, size, len(header.names))
    layout = recognise(path, header)
    text = [layout.date] if layout.names is None else [layout.date, layout.names]
    style = (settings.sep, settings.decimal)
    table = read_cells(path, header, text, list(layout.values), style)
    days, cut = parse_dates(path, table[layout.date], settings.date_format)
    if cut:
        report.append(
            Repair(path.name, None, "dates", f"{cut} cut off: {counted(len(days), 'row')}")
        )
    if layout.ignored:
        report.append(Repair(path.name, None, "columns not used", ", ".join(layout.ignored)))
    days = days.rename("ds")
    if layout.names is None:
        return layout, _by_column(table, days, layout)
    names = table[layout.names]
    if names.eq("").any():
        raise InputError(
            f"{path} line {names.eq('').idxmax()}: the name of the series is empty: fill it in."
        )
    fields = {number: name for number, (_, name) in layout.values.items()}
    values = table[list(fields)].rename(columns=fields).set_axis(days)
    places = pd.Series(names.to_numpy()).groupby(names.to_numpy(), sort=True).indices
    return layout, {str(name): values.iloc[at] for name, at in places.items()}


def _by_column(
    table: pd.DataFrame, days: pd.DatetimeIndex, layout: Layout
) -> dict[str, pd.DataFrame]:
    """Return the series of a table whose columns name them, without their empty ends."""
    columns: dict[str, dict[int, str]] = {}
    for number, (series, name) in layout.values.items():
        columns.setdefault(str(series), {})[number] = name
    table = table.set_axis(days)
    rows = {name: table[list(c)].rename(columns=c) for name, c in columns.items()}
    return {name: _trimmed(each, table) for name, each in rows.items()} if len(rows) > 1 else rows


def _trimmed(rows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Leave out empty rows before the listing and after the delisting of one of several series.

    Rows at the end that are empty for *all* series stay: that is no delisting but a defect.
    """
    order = np.argsort(table.index.to_numpy(), kind="stable")
    seen = rows.notna().any(axis=1).to_numpy()[order]
    if not seen.any():
        return rows.iloc[:0]
    anything = table.iloc[:, 1:].notna().any(axis=1).to_numpy()[order]
    first = np.argmax(seen)
    last = len(seen) - np.argmax(seen[::-1]) if anything[-1] else len(seen)
    inside = np.zeros(len(seen), dtype=bool)
    inside[order[first:last]] = True
    return rows if inside.all() else rows[inside]


def _continued(name: str, rows: pd.DataFrame, more: pd.DataFrame, path: Path) -> pd.DataFrame:
    if set(rows.columns) != set(more.columns):
        raise InputError(
            f"{path}: {name} has {', '.join(more.columns)} here and {', '.join(rows.columns)} in "
            "an earlier file: give one file per series, or files with the same columns."
        )
    return pd.concat([rows, more])


def _infer_scale(rows: Rows, kinds: dict[str, Path], report: list[Repair]) -> Scale:
    """Return "linear" for series that are no prices because they reach zero or below."""
    if set(kinds) == {"prices"}:
        return "log"
    low = {name: (each["close"] <= 0).sum() for name, each in rows.items() if "close" in each}
    total = sum(len(each) for each in rows.values())
    limit = _NO_PRICES_SHARE * total if "wide" in kinds else 0
    if sum(low.values()) <= limit:
        return "log"
    if "prices" in kinds:
        raise InputError(
            f"{kinds['prices']} holds prices, the other files values of zero or below: prices "
            "are modelled by their logarithm and the others are not; give them separately."
        )
    name = next(name for name, times in low.items() if times)
    count = counted(low[name], "value")
    detail = f"{count} of 0 or below: no prices, taken as they are, not by logarithm"
    report.append(Repair(name, None, "scale", detail))
    return "linear"


def _infer_calendar(rows: Rows, kinds: dict[str, Path]) -> str:
    """Return 24/7 where weekends occur, XNYS where it fits or prices suggest it, else 24/5."""
    days = pd.DatetimeIndex(np.unique(np.concatenate([each.index for each in rows.values()])))
    weekend = float((days.day_of_week >= 5).mean())
    only_series = set(kinds) == {"series"}
    if weekend > (0 if only_series else _WEEKEND_SHARE):
        return EVERY_DAY
    if not only_series or days[-1] > pd.Timestamp.today():
        return "XNYS"
    sessions = sessions_between("XNYS", days[0], days[-1])
    fits = days.isin(sessions).all() and len(days) > 0.95 * len(sessions)
    return "XNYS" if fits else WEEKDAYS
