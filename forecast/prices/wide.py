"""Thousands of tickers, one after the other, into one memory-mapped float32 panel."""

import numpy as np
import pandas as pd

from forecast.errors import InputError
from forecast.names import check_series_names
from forecast.prices.cleaning import clean_one, covering_sessions, report_ends
from forecast.prices.mapped import new_array
from forecast.prices.panel import FIELDS, Panel, no_sessions
from forecast.prices.parquet import read_parquet
from forecast.prices.repairs import Repair
from forecast.prices.sessions import WEEKDAYS
from forecast.settings import PriceSettings

#: Share of the tickers that may be left out because their prices cannot be trusted.
UNTRUSTED_SHARE = 0.05
#: The exchange whose sessions are taken unless told otherwise.
CALENDAR = "XNYS"


def load_wide(settings: PriceSettings) -> tuple[Panel, list[Repair]]:
    """Read and check the tickers of `settings.path` one by one; return panel and repairs.

    The checks are those of `clean`. A ticker that fails them is left out and told; InputError when
    it was asked for by name, or when more than 5 % fail. Beside the panel (float32) there is one
    ticker's rows in memory.
    """
    rows, sha256 = read_parquet(settings)
    check_series_names(rows)
    calendar = CALENDAR if settings.calendar == "auto" else settings.calendar
    ends = {name: _ends(days) for name in sorted(rows) if len(days := rows.days(name))}
    if not ends:
        raise no_sessions(sorted(rows), (settings.start, settings.end), [])
    sessions = covering_sessions(ends, calendar)
    fields = [field for field in FIELDS if field in {*rows.fields, "adj_close"}]
    values = new_array((len(fields), len(ends), len(sessions)))
    values.fill(np.nan)
    trusted: list[str] = []
    report: list[Repair] = []
    spoiled: list[InputError] = []
    for name in ends:
        notes: list[Repair] = []
        try:
            good = clean_one(name, rows[name], calendar, sessions, "log", notes)
        except InputError as error:
            if settings.tickers:
                raise
            spoiled.append(error)
            report.append(Repair(name, None, "left out", str(error)))
            continue
        values[:, len(trusted), sessions.get_indexer(good.index)] = good[fields].to_numpy().T
        trusted.append(name)
        report += notes
    _check_share(spoiled, len(ends))
    panel = _panel(values, fields, trusted, sessions, sha256, calendar)
    report_ends({name: ends[name] for name in trusted}, panel.sessions[-1], report)
    return panel, report


def _ends(days: pd.DatetimeIndex) -> pd.DataFrame:
    return pd.DataFrame(index=pd.DatetimeIndex([days.min(), days.max()]))


def _check_share(spoiled: list[InputError], count: int) -> None:
    if len(spoiled) > UNTRUSTED_SHARE * count:
        raise InputError(
            f"{len(spoiled)} of {count} tickers cannot be trusted, more than "
            f"{UNTRUSTED_SHARE:.0%}; the first: {spoiled[0]}"
        ) from spoiled[0]


def _panel(
    values: np.ndarray,
    fields: list[str],
    names: list[str],
    sessions: pd.DatetimeIndex,
    sha256: str,
    calendar: str,
) -> Panel:
    """The panel of the first `names` of ``values`` (fields, U, S), which are moved, not copied."""
    S, U = len(sessions), len(names)
    rows = values.reshape(-1, S)  # (fields · U, S)
    for at in range(len(fields) * U):  # close up where tickers were left out
        rows[at] = values[at // U, at % U]
    observed = np.zeros(S, dtype=bool)
    for row in rows[(len(fields) - 1) * U : len(fields) * U]:
        observed |= np.isfinite(row)
    seen = np.flatnonzero(observed)
    if calendar == WEEKDAYS:  # it knows no holidays: a weekday without any price is none
        for row in rows:
            row[: len(seen)] = row[seen]
        sessions, seen = sessions[seen], np.arange(len(seen))
    inside = slice(seen[0], seen[-1] + 1)
    columns = pd.MultiIndex.from_product([fields, names], names=["field", "unique_id"])
    frame = pd.DataFrame(
        rows[: len(columns), inside].T,
        index=sessions[inside].rename("ds"),
        columns=columns,
        copy=False,
    )
    return Panel(frame, "parquet", sha256, calendar)
