"""Checks of one series: each returns the rows it trusts, reports what it dropped, or raises.

A check takes the name of the series, its rows (index `ds`, columns of `FIELDS`) and the list of
repairs, to which it adds. An InputError names the series, the date, the value and the remedy.
"""

import numpy as np
import pandas as pd

from forecast.errors import InputError
from forecast.prices.repairs import Repair

PRICES = ("open", "high", "low", "close", "adj_close")
#: A hole in the last window leaves the newest forecast without input (the default lookback).
WINDOW_SESSIONS = 160
NAN_SHARE = 0.01
OHLC_TOLERANCE = 1e-6
FLAT_SESSIONS = 5
STEP_LOG_RETURN = 0.45
# A split hides in the day's own return: 2:1 on a day of +10 % is a fall of 45 %.
SPLIT_TOLERANCE = 0.15
# Steps are news only where they are far outside the series' usual movement.
STEP_OUTLIER = 8.0

_WITHOUT = "leave the series out with --tickers, or the dates with --start and --end."


def sort_rows(name: str, rows: pd.DataFrame, report: list[Repair]) -> pd.DataFrame:
    """Sort rows by date, and report it."""
    if rows.index.is_monotonic_increasing:
        return rows
    order = "newest first" if rows.index.is_monotonic_decreasing else "out of order"
    report.append(Repair(name, None, "sorted", f"{len(rows)} rows were {order}"))
    return rows.sort_index(kind="stable")


def drop_duplicates(name: str, rows: pd.DataFrame, report: list[Repair]) -> pd.DataFrame:
    """Drop repeated dates whose rows are identical; raise where they differ."""
    again = rows.index.duplicated()
    if not again.any():
        return rows
    several = rows[rows.index.duplicated(keep=False)]
    same = several.groupby(level=0).nunique(dropna=False).eq(1).all(axis=1)
    if not same.all():
        day = same.index[~same][0]
        both = several.loc[[day]]
        column = next(each for each in both if len(both[each].unique()) > 1)
        raise InputError(
            f"{name} {day.date()}: {len(both)} rows with different {column} "
            f"({', '.join(f'{value:g}' for value in both[column])}) for one date; keep one row "
            "per date and series (an id column is needed where a file has several series)."
        )
    for day, count in several.groupby(level=0).size().items():
        detail = f"{count} identical rows, {count - 1} dropped"
        report.append(Repair(name, pd.Timestamp(str(day)), "duplicate row", detail))
    return rows[~again]


def drop_nan_closes(name: str, rows: pd.DataFrame, report: list[Repair]) -> pd.DataFrame:
    """Drop rows without a close; raise above 1 % of the rows or inside the last window."""
    columns = [column for column in ("close", "adj_close") if column in rows]
    absent = rows[columns].isna().any(axis=1).to_numpy()
    if not absent.any():
        return rows
    days = rows.index[absent]
    count = f"{absent.sum()} of {len(rows)} rows have no close"
    if absent.mean() > NAN_SHARE:
        raise InputError(
            f"{name} {days[0].date()}: close is NaN; {count}, more than {NAN_SHARE:.0%}: fill "
            f"the closes in at their source, or {_WITHOUT}"
        )
    if absent[-WINDOW_SESSIONS:].any():
        raise InputError(
            f"{name} {days[-1].date()}: close is NaN within the last {WINDOW_SESSIONS} sessions, "
            f"which the newest forecast reads; {count}: fill it in, or end before it with --end."
        )
    for day in days:
        report.append(Repair(name, day, "NaN close", f"row dropped; {count}"))
    return rows[~absent]


def check_positive(name: str, rows: pd.DataFrame) -> None:
    """Raise for a price that is zero, negative or infinite, and for such a volume below zero."""
    for column in rows.columns:
        values = rows[column].to_numpy()
        if column in PRICES:
            wrong, wanted = (values <= 0) | np.isinf(values), "a finite price above 0"
        else:
            wrong, wanted = (values < 0) | np.isinf(values), "a finite volume of 0 or more"
        if wrong.any():
            raise InputError(
                f"{name} {rows.index[wrong][0].date()}: {column} is {values[wrong][0]:g} "
                f"({wrong.sum()} of {len(rows)} rows), expected {wanted}: correct it at its "
                f"source, or {_WITHOUT}"
            )


def check_finite(name: str, rows: pd.DataFrame) -> None:
    """Raise for an infinite value of a series that is no price."""
    for column in rows.columns:
        wrong = np.isinf(rows[column].to_numpy())
        if wrong.any():
            raise InputError(
                f"{name} {rows.index[wrong][0].date()}: {column} is "
                f"{rows[column].to_numpy()[wrong][0]:g}, expected a finite number: correct it at "
                f"its source, or {_WITHOUT}"
            )


def check_ohlc(name: str, rows: pd.DataFrame, report: list[Repair]) -> None:
    """Raise where the high is not the highest or the low not the lowest of the day."""
    inside = [rows[column] for column in ("open", "close") if column in rows]
    for column, sign in (("high", 1.0), ("low", -1.0)):
        if column not in rows:
            continue
        limit = rows[column].to_numpy()
        for other in inside:
            beyond = sign * (other.to_numpy() - limit) > OHLC_TOLERANCE * np.abs(limit)
            if beyond.any():
                at = np.flatnonzero(beyond)[0]
                raise InputError(
                    f"{name} {rows.index[at].date()}: {column} {limit[at]:g} is "
                    f"{'below' if sign > 0 else 'above'} the {other.name} {other.iloc[at]:g} "
                    f"({beyond.sum()} of {len(rows)} rows): are the columns mixed up, or only "
                    f"some adjusted? Correct them, or {_WITHOUT}"
                )
    for column in rows.columns.difference(["close", "adj_close"]):
        absent = rows[column].isna()
        if absent.any():
            detail = f"{absent.sum()} of {len(rows)} rows have no {column}, left empty"
            report.append(Repair(name, rows.index[absent][0], f"no {column}", detail))


def check_steps(name: str, rows: pd.DataFrame, adjusted: bool, report: list[Repair]) -> None:
    """Raise where a raw close moves as in a split; report such steps of an adjusted close."""
    close = rows["adj_close"].to_numpy()
    step = np.abs(np.diff(np.log(close)))
    if not step.size:
        return
    usual = 1.4826 * np.median(step)  # the standard deviation of a normal with this median
    times = np.maximum(np.round(np.exp(step)), 2)
    near = np.abs(step - np.log(times)) < SPLIT_TOLERANCE
    for at in np.flatnonzero((step > STEP_LOG_RETURN) & (step > STEP_OUTLIER * usual)):
        day, ratio = rows.index[int(at) + 1], close[at + 1] / close[at]
        seen = f"close goes from {close[at]:g} to {close[at + 1]:g} (×{ratio:.3g})"
        if near[at] and not adjusted:
            split = f"{times[at]:.0f}:1" if ratio < 1 else f"1:{times[at]:.0f}"
            raise InputError(
                f"{name} {day.date()}: {seen}, as in a {split} split that is not adjusted for: "
                "give the adjusted closes in a column adj_close (equal to close, if the "
                f"step is real), or {_WITHOUT}"
            )
        report.append(Repair(name, day, "large step", f"{seen}; taken as real"))


def check_flat(name: str, rows: pd.DataFrame, report: list[Repair]) -> None:
    """Report closes that do not change over 5 sessions; raise for a whole window of them."""
    close = rows["adj_close"].to_numpy()
    edges = np.flatnonzero(np.diff(close, prepend=np.nan, append=np.nan) != 0)
    length = np.diff(edges)
    for at in np.flatnonzero(length >= FLAT_SESSIONS):
        day, value = rows.index[edges[at]], close[edges[at]]
        if length[at] >= WINDOW_SESSIONS:
            raise InputError(
                f"{name} {day.date()}: the close stays {value:g} for {length[at]} sessions, a "
                f"whole window of {WINDOW_SESSIONS} without movement: is it still traded, or "
                f"filled forward? Remove the filled rows, or {_WITHOUT}"
            )
        detail = f"{length[at]} equal closes of {value:g}, kept"
        report.append(Repair(name, day, "flat prices", detail))
