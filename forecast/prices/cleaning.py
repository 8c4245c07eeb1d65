"""clean: from rows as a source gave them to a Panel that everything else trusts."""

import numpy as np
import pandas as pd

from forecast.counts import counted
from forecast.errors import InputError
from forecast.names import check_series_names
from forecast.prices import checks
from forecast.prices.panel import FIELDS, Panel
from forecast.prices.repairs import Repair
from forecast.prices.sessions import EVERY_DAY, WEEKDAYS, sessions_between
from forecast.prices.source import Rows, Scale

MISSING_SHARE = 0.05
# Weekdays include the exchange's holidays, about nine a year and up to twenty.
MISSING_SHARE_WEEKDAYS = 0.10


def clean(
    frame: pd.DataFrame | Rows,
    *,
    source: str,
    sha256: str,
    calendar: str,
    scale: Scale = "log",
) -> tuple[Panel, list[Repair]]:
    """Validate prices once and return the panel with a list of everything repaired or noticed.

    `frame` is a long price frame (`unique_id, ds` and some of open, high, low, close, volume,
    adj_close) or the same rows by series. Without `adj_close` the closes are taken as raw: a
    step like a split is then an error. Holes are reported and never filled: sessions of the
    exchange on which nothing was observed are rows of NaN.

    Raises InputError with series, date, value and remedy for what cannot be trusted.
    """
    by_ticker = rows_by_ticker(frame) if isinstance(frame, pd.DataFrame) else frame
    check_series_names(by_ticker)
    report: list[Repair] = []
    trusted: dict[str, pd.DataFrame] = {}
    sessions = covering_sessions(by_ticker, calendar)
    for name in sorted(by_ticker):
        trusted[name] = clean_one(name, by_ticker[name], calendar, sessions, scale, report)
    panel_frame = _assemble(trusted, calendar, sessions)
    report_ends(trusted, panel_frame.index[-1], report)
    return Panel(panel_frame, source, sha256, calendar, scale), report


def rows_by_ticker(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Split a long price frame into the rows of each series, without copying sorted ones."""
    columns = {"unique_id", "ds"}
    if not columns <= set(frame.columns) or not {"close", "adj_close"} & set(frame.columns):
        raise InputError(
            f"A long price frame needs unique_id, ds and close or adj_close, found "
            f"{', '.join(map(str, frame.columns))}."
        )
    if not isinstance(frame["ds"].dtype, np.dtype | pd.DatetimeTZDtype) or (
        frame["ds"].dtype.kind != "M"
    ):
        raise InputError(
            f"ds holds {frame['ds'].dtype}, expected dates: convert it with pandas.to_datetime."
        )
    days = pd.DatetimeIndex(frame["ds"], name="ds").tz_localize(None).normalize().as_unit("ns")
    fields = [field for field in FIELDS if field in frame]
    values = frame[fields].set_axis(days)
    places = frame.groupby("unique_id", observed=True, sort=True).indices
    return {str(name): values.iloc[_compact(np.asarray(at))] for name, at in places.items()}


def clean_one(
    name: str,
    rows: pd.DataFrame,
    calendar: str,
    sessions: pd.DatetimeIndex,
    scale: Scale,
    report: list[Repair],
) -> pd.DataFrame:
    """Return the rows of one series that can be trusted, with `adj_close`; raises InputError."""
    rows = checks.sort_rows(name, rows, report)
    _check_dates(name, rows.index, calendar, sessions)
    rows = checks.drop_duplicates(name, rows, report)
    _report_missing(name, pd.DatetimeIndex(rows.index), calendar, sessions, report)
    rows = checks.drop_nan_closes(name, rows, report)
    if len(rows) < 2:
        raise InputError(
            f"{name} has {counted(len(rows), 'row')} with a close, expected 2 at least (and a "
            "few hundred to train): give a longer history, or leave it out with --tickers."
        )
    adjusted = "adj_close" in rows
    if not adjusted:
        rows = rows.assign(adj_close=rows["close"])
    if scale == "linear":
        checks.check_finite(name, rows)
    else:
        checks.check_positive(name, rows)
        checks.check_ohlc(name, rows, report)
        checks.check_steps(name, rows, adjusted, report)
    checks.check_flat(name, rows, report)
    return rows


def covering_sessions(by_ticker: Rows, calendar: str) -> pd.DatetimeIndex:
    """Return the sessions of the calendar from the first to the last date of all series."""
    days = [rows.index for rows in by_ticker.values() if len(rows)]
    if not days:
        raise InputError("There are no rows of prices, expected a few hundred of each series.")
    # A day of grace: it is tomorrow already in a part of the world.
    latest = pd.Timestamp.today().normalize() + pd.Timedelta(days=1)
    for name, rows in by_ticker.items():
        future = rows.index[rows.index > latest]
        if len(future):
            raise InputError(
                f"{name} {future[0].date()}: this date is in the future ({len(future)} of "
                f"{len(rows)} rows): check the order of day and month (--date-format), or end "
                "before it with --end."
            )
    return sessions_between(calendar, min(d.min() for d in days), max(d.max() for d in days))


def _check_dates(name: str, days: pd.Index, calendar: str, sessions: pd.DatetimeIndex) -> None:
    wrong = days[~days.isin(sessions)]
    if not len(wrong):
        return
    day = wrong[0]
    if day.day_of_week >= 5:
        what, remedy = f"a {day.day_name()}", "--calendar 24/7 if it trades on every day"
    else:
        what, remedy = "a holiday", "the right exchange with --calendar, 24/5 for any weekday"
    raise InputError(
        f"{name} {day.date()}: not a session of {calendar} but {what} ({len(wrong)} of "
        f"{len(days)} rows are no sessions): remove the row, or name {remedy}."
    )


def _report_missing(
    name: str,
    days: pd.DatetimeIndex,
    calendar: str,
    sessions: pd.DatetimeIndex,
    report: list[Repair],
) -> None:
    if days.empty:
        return
    expected = sessions[sessions.searchsorted(days[0]) : sessions.searchsorted(days[-1]) + 1]
    if len(expected) == len(days):
        return
    missing = expected.difference(days)
    count = f"{len(missing)} of {counted(len(expected), 'session')} of {calendar} missing"
    limit = MISSING_SHARE_WEEKDAYS if calendar == WEEKDAYS else MISSING_SHARE
    if len(missing) > limit * len(expected):
        raise InputError(
            f"{name} {missing[0].date()}: {count}, more than {limit:.0%}: give daily prices "
            "without gaps, name the right exchange with --calendar, or choose a range without "
            "the gap with --start and --end."
        )
    if calendar in (WEEKDAYS, EVERY_DAY):
        report.append(Repair(name, missing[0], "missing days", f"{count}, left empty"))
    else:
        report += [Repair(name, day, "missing session", f"{count}, left empty") for day in missing]


def report_ends(trusted: Rows, last: pd.Timestamp, report: list[Repair]) -> None:
    """Note every series that ends before the panel does."""
    for name, rows in trusted.items():
        if rows.index[-1] < last:
            detail = f"its last price; the others run to {last.date()}"
            report.append(Repair(name, rows.index[-1], "ends early", detail))


def _assemble(trusted: Rows, calendar: str, sessions: pd.DatetimeIndex) -> pd.DataFrame:
    """Return the frame of a panel: one array, filled series by series."""
    first = min(rows.index[0] for rows in trusted.values())
    last = max(rows.index[-1] for rows in trusted.values())
    days = sessions[sessions.searchsorted(first) : sessions.searchsorted(last) + 1]
    if calendar == WEEKDAYS:  # it knows no holidays: a weekday without any price is none
        seen = np.zeros(len(days), dtype=bool)
        for rows in trusted.values():
            seen[days.get_indexer(rows.index)] = True
        days = days[seen]
    fields = [field for field in FIELDS if any(field in rows for rows in trusted.values())]
    columns = pd.MultiIndex.from_product([fields, list(trusted)], names=["field", "unique_id"])
    values = np.full((len(columns), len(days)), np.nan)  # (F·U, S): a column is contiguous
    for number, (field, name) in enumerate(columns):
        rows = trusted[name]
        if field in rows:
            values[number, days.get_indexer(rows.index)] = rows[field].to_numpy()
    return pd.DataFrame(values.T, index=days.rename("ds"), columns=columns, copy=False)


def _compact(at: np.ndarray) -> np.ndarray | slice:
    """Return a slice (no copy) where the positions are consecutive."""
    consecutive = at[-1] - at[0] + 1 == len(at) and (np.diff(at) == 1).all()
    return slice(at[0], at[-1] + 1) if consecutive else at
