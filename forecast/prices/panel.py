"""Panel: sessions × series, validated once by `clean` and trusted by everything after it."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, Self

import numpy as np
import pandas as pd

from forecast.counts import counted
from forecast.errors import InputError
from forecast.markup import html_table
from forecast.prices.mapped import is_large, new_array

#: Fields of a panel, in the order of its columns; `adj_close` is always there.
FIELDS = ("open", "high", "low", "close", "volume", "adj_close")


@dataclass(frozen=True, eq=False)
class Panel:
    """Daily prices of U series over S sessions.

    `frame` is float64, its index `ds` holds the S session dates (naive, sorted, unique) and
    its columns are ("field", "unique_id"). NaN is "no observation": before the listing, after
    the delisting, or a hole; nothing is ever filled. `scale` is "linear" for series that are
    no prices and reach zero or below (temperatures); then `level` is the value itself.

    Example:
        >>> from forecast.prices import load_prices
        >>> from forecast.settings import PriceSettings
        >>> panel, repairs = load_prices(PriceSettings())
        >>> panel.tickers
        ['AAPL', 'FB', 'GOOG', 'IBM', 'MSFT']
        >>> panel.level.shape
        (3270, 5)
    """

    frame: pd.DataFrame
    source: str
    sha256: str
    calendar: str
    scale: Literal["log", "linear"] = "log"

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """The S session dates."""
        index = self.frame.index
        assert isinstance(index, pd.DatetimeIndex)
        return index

    @property
    def tickers(self) -> list[str]:
        """The U names of the series, sorted; also the order of the columns of every field."""
        return list(self.frame["adj_close"].columns)

    @property
    def fields(self) -> list[str]:
        """The fields there are, in the order of `FIELDS`."""
        return list(self.frame.columns.unique("field"))

    def field(self, name: str) -> pd.DataFrame:
        """Return one field as a frame (S, U); KeyError names the fields there are."""
        if name not in self.fields:
            raise KeyError(f"no field {name!r} in this panel, which has {', '.join(self.fields)}")
        return _field(self.frame, name)

    @property
    def level(self) -> np.ndarray:
        """The series on the scale that models see, (S, U): log(adj_close), or adj_close."""
        value = self.frame["adj_close"].to_numpy()
        return np.log(value) if self.scale == "log" else value

    def value(self, level: np.ndarray) -> np.ndarray:
        """Return from the scale of `level` to prices (the inverse of `level`), any shape."""
        return np.exp(level) if self.scale == "log" else np.asarray(level)

    def summary(self) -> pd.DataFrame:
        """One row per series: observed sessions, first and last one, holes between, extremes.

        ``largest_step`` is the largest log return without its sign, of a linear series the largest
        difference.
        """
        value, level = self.field("adj_close"), pd.DataFrame(self.level)
        seen = value.notna().to_numpy()  # (S, U)
        first, last = seen.argmax(axis=0), len(seen) - 1 - seen[::-1].argmax(axis=0)
        sessions = seen.sum(axis=0)
        columns = {
            "sessions": sessions,
            "first": self.sessions[first],
            "last": self.sessions[last],
            "holes": last - first + 1 - sessions,
            "lowest": value.min().to_numpy(),
            "highest": value.max().to_numpy(),
            "largest_step": level.apply(lambda one: one.dropna().diff().abs().max()).to_numpy(),
        }
        return pd.DataFrame(columns, index=pd.Index(self.tickers, name="unique_id"))

    def _repr_html_(self) -> str:
        days = self.sessions
        rows = [
            (row[0], f"{row[1]:,}", f"{row[2]:%Y-%m-%d}", f"{row[3]:%Y-%m-%d}", row[4])
            for row in self.summary().itertuples(name=None)
        ]
        return html_table(
            f"Panel: {len(rows)} series from {self.source}, {counted(len(days), 'session')} "
            f"{days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}, calendar {self.calendar}",
            ("", "sessions", "first", "last", "holes"),
            rows,
            f"Fields: {', '.join(self.fields)}.",
        )

    def select(
        self,
        tickers: Sequence[str] | None = None,
        start: date | str | None = None,
        end: date | str | None = None,
    ) -> Self:
        """Return the panel of some series and of the sessions from `start` to `end`, inclusive.

        Sessions before the first and after the last observation of the chosen series are left
        out. Raises InputError for an unknown ticker and for a range without sessions.
        """
        frame = self.frame
        if tickers is not None:
            chosen = choose_tickers(self.tickers, tickers)
            frame = _columns(frame, frame.columns.isin(chosen, level="unique_id"))
            seen = np.flatnonzero(_field(frame, "adj_close").notna().any(axis=1))
            if not seen.size:
                raise no_sessions(chosen, (frame.index[0].date(), frame.index[-1].date()), [])
            frame = frame.iloc[seen[0] : seen[-1] + 1]
        inside = frame.loc[_timestamp(start) : _timestamp(end)]
        if inside.empty:
            raise no_sessions(self.tickers, (start, end), [frame.index])
        return replace(self, frame=inside)

    def closes(self) -> Self:
        """Return the panel of adjusted closes alone."""
        return replace(self, frame=self.frame[["adj_close"]])

    def locate(self, cutoffs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of N rows `unique_id, cutoff`: session (N,), ticker (N,).

        Raises InputError that names the first row that is not in the panel.
        """
        session = self.sessions.get_indexer(pd.DatetimeIndex(cutoffs["cutoff"]).as_unit("ns"))
        ticker = pd.Index(self.tickers).get_indexer(pd.Index(cutoffs["unique_id"].astype(str)))
        absent = np.flatnonzero((session < 0) | (ticker < 0))
        if absent.size:
            row = cutoffs.iloc[absent[0]]
            raise InputError(
                f"{row['unique_id']} at {row['cutoff']} is not in the panel "
                f"({absent.size} of {len(cutoffs)} cutoffs are not): it has "
                f"{', '.join(self.tickers[:10])}{' …' if len(self.tickers) > 10 else ''} over "
                f"the {len(self.sessions)} sessions {self.sessions[0].date()} to "
                f"{self.sessions[-1].date()}; take cutoffs from its sessions."
            )
        return session, ticker


def choose_tickers(available: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """Return `wanted`, sorted and without repeats; InputError lists what there is instead."""
    there = sorted(name if name.isprintable() else repr(name) for name in available)
    known = set(there)
    unknown = [name for name in dict.fromkeys(wanted) if name not in known]
    if not unknown:
        return sorted(set(wanted))
    by_lower = {name.lower(): name for name in there}
    hints = []
    for name in unknown:
        close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)
        if close:
            hints.append(f"instead of {name}: {', '.join(by_lower[match] for match in close)}?")
    shown = ", ".join(there[:40]) + (f" and {len(there) - 40} more" if len(there) > 40 else "")
    raise InputError(
        f"No ticker {', '.join(unknown)} in these prices, which have {shown}. "
        f"{' '.join([*hints, 'Choose from these with --tickers.'])}"
    )


def no_sessions(
    names: Sequence[str],
    wanted: tuple[date | str | None, date | str | None],
    there: Sequence[pd.Index],
) -> InputError:
    """Return the error for a range of dates in which these series have no session."""
    span = "none at all"
    if there:
        span = f"{min(d.min() for d in there).date()} to {max(d.max() for d in there).date()}"
    return InputError(
        f"No session of {', '.join(names[:5])}{' …' if len(names) > 5 else ''} from "
        f"{wanted[0] or 'the beginning'} to {wanted[1] or 'the end'}: there are prices from "
        f"{span}; choose --start and --end inside that range, or other --tickers."
    )


def _field(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    field = frame[name]
    assert isinstance(field, pd.DataFrame)  # the columns have two levels
    return field


def _columns(frame: pd.DataFrame, chosen: np.ndarray) -> pd.DataFrame:
    """Return some columns of a frame; of a large one they are memory-mapped like itself."""
    if not is_large(frame.to_numpy()):
        return frame.loc[:, chosen]
    values = frame.to_numpy()
    kept = new_array((int(chosen.sum()), len(values)), values.dtype.type)
    for row, column in zip(kept, np.flatnonzero(chosen), strict=True):
        row[:] = values[:, column]
    return pd.DataFrame(kept.T, index=frame.index, columns=frame.columns[chosen], copy=False)


def _timestamp(day: date | str | None) -> pd.Timestamp | None:
    return None if day is None else pd.Timestamp(day)
