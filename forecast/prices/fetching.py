"""Prices from Yahoo with a cache on disk: what is there already is not asked for again."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from forecast.counts import counted
from forecast.errors import InputError
from forecast.prices.repairs import Repair
from forecast.prices.sessions import WEEKDAYS, last_closed_session
from forecast.prices.source import Read
from forecast.prices.yahoo import CALENDARS, Connection, YahooError, check_tickers, download
from forecast.prices.yahoo_cache import Cached, cache_folder, load_cached, store
from forecast.settings import PriceSettings

#: Yahoo's opens and volumes of earlier years are often zero.
FIRST_DAY = date(2000, 1, 1)
_DAY = pd.Timedelta(days=1)
# A refresh reads these days again to see whether Yahoo has restated what is in the cache.
_OVERLAP = pd.Timedelta(days=20)
# Yahoo's single-precision closes agree to 1e-7; the smallest dividends move them by 1e-4.
_SAME = 2e-5
_SAME_RETURN = 1e-3
# An answer given soon after the close may lack that session: so long it is not asked for again.
_PATIENCE = pd.Timedelta(minutes=30)
# A ticker without prices for so long has ended, and is asked for again when a session has closed.
_ENDED = pd.Timedelta(days=14)


@dataclass(frozen=True)
class Outcome:
    """What became of one ticker; `detail` says why it is not fresh, or what was found."""

    ticker: str
    status: Literal["fetched", "cached", "failed"]
    sessions: int
    detail: str = ""

    def __str__(self) -> str:
        count = counted(self.sessions, "session")
        return f"{self.ticker}: {self.status}, {count}. {self.detail}".rstrip()


def read_yahoo(
    settings: PriceSettings, connection: Connection | None = None, now: pd.Timestamp | None = None
) -> Read:
    """Return the prices that Yahoo or the cache has; what it lacks is in the report.

    Raises InputError when there is nothing at all, with an outcome per ticker.
    """
    start = settings.start or FIRST_DAY
    if settings.end is not None and settings.end <= start:
        raise InputError(
            f"Prices from Yahoo begin on {start} unless told otherwise, after --end "
            f"{settings.end}: name the first session with --start."
        )
    found, outcomes = fetch(settings.tickers, start, settings.end, connection, now)
    if not found:
        told = "; ".join(f"{each.ticker}: {each.detail}" for each in outcomes[:5])
        more = f" and {len(outcomes) - 5} more" if len(outcomes) > 5 else ""
        raise InputError(
            f"No prices from Yahoo and none cached ({told}{more}): check the tickers and the "
            "connection, or work offline with --source bundled."
        )
    report = [
        Repair(each.ticker, None, "not fetched" if each.status == "failed" else "prices", text)
        for each in outcomes
        if (text := each.detail)
    ]
    hashes = "".join(found[name].sha256 for name in sorted(found))
    sha256 = hashlib.sha256(hashes.encode()).hexdigest()
    calendar = settings.calendar
    if calendar == "auto":
        calendar = _common_calendar({name: each.exchange for name, each in found.items()}, report)
    return Read({n: each.rows for n, each in found.items()}, sha256, calendar, report=report)


def fetch(
    tickers: Sequence[str],
    start: date,
    end: date | None = None,
    connection: Connection | None = None,
    now: pd.Timestamp | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> tuple[dict[str, Cached], list[Outcome]]:
    """Download or refresh the tickers; return what there is of each and an outcome per ticker.

    One ticker's failure leaves the others alone; when Yahoo is silent, refuses or cannot be
    reached, the rest is taken from the cache without asking.
    """
    names = check_tickers(tickers)
    now = now or pd.Timestamp.now(tz="UTC")
    connection = connection or Connection()
    folder = connection.folder or cache_folder()
    connection = replace(connection, folder=folder)
    span = pd.Timestamp(start), min(pd.Timestamp(end or date.max), now.tz_convert(None)) + _DAY
    found: dict[str, Cached] = {}
    outcomes: list[Outcome] = []
    stopped: YahooError | None = None
    for name in names:
        cached = load_cached(folder, name)
        try:
            if stopped and not _is_fresh(cached, *span, now):
                raise stopped
            fresh, detail = _refreshed(name, cached, (span[0], span[1]), connection, now)
            found[name] = fresh
            status: Literal["fetched", "cached"] = "cached" if fresh is cached else "fetched"
            outcome = Outcome(name, status, len(fresh.rows), detail)
        except YahooError as error:
            if error.reason in ("offline", "silent", "rate limit"):
                stopped = error
            outcome = Outcome(name, "failed", 0, str(error))
            if cached is not None:
                found[name] = cached
                told = f"as fetched on {cached.fetched_at:%Y-%m-%d %H:%M} UTC, because {error}"
                outcome = Outcome(name, "cached", len(cached.rows), told)
        outcomes.append(outcome)
        if on_outcome:
            on_outcome(outcome)
    return found, outcomes


def _refreshed(
    name: str,
    cached: Cached | None,
    span: tuple[pd.Timestamp, pd.Timestamp],
    connection: Connection,
    now: pd.Timestamp,
) -> tuple[Cached, str]:
    """Return the prices of the span and a remark: the cache itself, completed, or anew."""
    start, until = span
    if cached is not None and _is_fresh(cached, start, until, now):
        return cached, ""
    detail = ""
    if cached is not None and cached.start <= start and len(cached.rows):
        again = max(cached.start, cached.rows.index[-1] - _OVERLAP)
        new = _complete(name, again, until, connection, now)
        if _agree(cached.rows, new.rows):
            rows = pd.concat([cached.rows[cached.rows.index < again], new.rows])
            return _kept(name, replace(new, rows=rows, start=cached.start), connection.folder)
    if cached is not None:
        start, until = min(start, cached.start), max(until, cached.until)
    whole = _complete(name, start, until, connection, now)
    if cached is not None:
        detail = _restated(cached.rows, whole.rows)
    kept, remark = _kept(name, whole, connection.folder)
    return kept, "; ".join(filter(None, [detail, remark]))


def _is_fresh(
    cached: Cached | None, start: pd.Timestamp, until: pd.Timestamp, now: pd.Timestamp
) -> bool:
    """Whether the cache has all there can be, or was filled so lately that nothing is new."""
    if cached is None or cached.start > start:
        return False
    last = last_closed_session(CALENDARS.get(cached.exchange, WEEKDAYS), now)
    if cached.until < min(until, last + _DAY):
        return False
    late = until > last and last - _ENDED < cached.rows.index.max() < last
    return not late or now - cached.fetched_at < _PATIENCE


def _complete(
    name: str, start: pd.Timestamp, until: pd.Timestamp, connection: Connection, now: pd.Timestamp
) -> Cached:
    """Download, and drop the bar of a session that is still open."""
    rows, exchange = download(name, start, until, connection)
    last = last_closed_session(CALENDARS.get(exchange, WEEKDAYS), now)
    rows = rows[rows.index <= last]
    if rows.empty:
        raise YahooError("no data", f"Yahoo has no prices of {name} in this range")
    return Cached(rows, start, min(until.normalize(), last + _DAY), exchange, now.floor("s"))


def _kept(name: str, cached: Cached, folder: Path | None) -> tuple[Cached, str]:
    try:
        if folder is not None:
            store(folder, name, cached)
    except OSError as error:
        return cached, f"not kept for later, {folder} cannot be written ({error.strerror})"
    return cached, ""


def _agree(old: pd.DataFrame, new: pd.DataFrame) -> bool:
    """Return whether the days that both have are equal in close and adjusted close."""
    both = old.index.intersection(new.index)
    columns = ["close", "adj_close"]
    before, after = old.loc[both, columns].to_numpy(), new.loc[both, columns].to_numpy()
    same_shape = len(both) > 0 and before.shape == after.shape
    return same_shape and np.allclose(before, after, rtol=_SAME, atol=0, equal_nan=True)


def _restated(old: pd.DataFrame, new: pd.DataFrame) -> str:
    """Say what the vendor changed: prices (a dividend rescales them all) or returns as well."""
    both = old.index.intersection(new.index)
    if not len(both) or not new.index.is_unique or _agree(old, new):
        return ""
    before, after = old.loc[both, "adj_close"], new.loc[both, "adj_close"]
    change = (np.log(after).diff() - np.log(before).diff()).abs()
    said = f"Yahoo has restated its history: adjusted closes ×{(after / before).iloc[0]:.6g}"
    moved = change.index[change > _SAME_RETURN]
    if not len(moved):
        return f"{said}, returns unchanged; fetched anew"
    days = counted(len(moved), "day")
    return f"{said}, returns changed on {days} from {moved[0].date()}; fetched anew"


def _common_calendar(exchanges: dict[str, str], report: list[Repair]) -> str:
    calendars = {name: CALENDARS.get(exchange, WEEKDAYS) for name, exchange in exchanges.items()}
    for name, exchange in exchanges.items():
        if exchange not in CALENDARS:
            detail = f"unknown exchange {exchange!r}: weekdays (24/5) taken; see --calendar"
            report.append(Repair(name, None, "calendar", detail))
    if len(set(calendars.values())) > 1:
        told = ", ".join(f"{name} {calendar}" for name, calendar in sorted(calendars.items())[:8])
        raise InputError(
            f"These tickers trade on different calendars ({told}): use those of one calendar "
            "together, or name the calendar they share with --calendar."
        )
    return next(iter(calendars.values()))
