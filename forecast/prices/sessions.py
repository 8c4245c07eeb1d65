"""Exchange sessions: holes in the past, dates of the future."""

import difflib
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

from forecast.errors import InputError

#: Plain-day calendars: every day, every weekday.
EVERY_DAY, WEEKDAYS = "24/7", "24/5"

#: Built beyond what is asked for, so that the dates of forecasts need no second calendar.
AHEAD = pd.Timedelta(days=400)

# Building a calendar takes about 0.2 s, so that each is built once and widened when needed: the
# times at which its sessions close, by session.
_built: dict[str, pd.Series] = {}
_range: dict[str, tuple[pd.Timestamp, pd.Timestamp]] = {}


def sessions_between(
    calendar: str, start: pd.Timestamp | str, end: pd.Timestamp | str
) -> pd.DatetimeIndex:
    """Return the sessions of an exchange from `start` to `end`, both inclusive.

    Raises InputError for an unknown calendar and for dates that it does not cover.
    """
    return pd.DatetimeIndex(_closes(calendar, pd.Timestamp(start), pd.Timestamp(end)).index)


def next_sessions(calendar: str, after: pd.Timestamp | str, count: int) -> pd.DatetimeIndex:
    """Return the first `count` sessions after the day `after`.

    Example:
        >>> [f"{day:%b %d}" for day in next_sessions("XNYS", "2026-11-20", 5)]
        ['Nov 23', 'Nov 24', 'Nov 25', 'Nov 27', 'Nov 30']
    """
    after = pd.Timestamp(after).normalize()
    # 2 days per session and 40 more cover weekends and the longest closures of every exchange.
    days = pd.Timedelta(days=2 * count + 40)
    return sessions_between(calendar, after + pd.Timedelta(days=1), after + days)[:count]


def missing_sessions(calendar: str, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return the holes: sessions of the exchange inside the span of `sessions` but not in it."""
    return sessions_between(calendar, sessions[0], sessions[-1]).difference(sessions)


def last_closed_session(calendar: str, now: pd.Timestamp) -> pd.Timestamp:
    """Return the last session whose close is not later than `now` (an aware time)."""
    today = now.tz_convert("UTC").tz_localize(None).normalize()
    closes = _closes(calendar, today - pd.Timedelta(days=30), today + pd.Timedelta(days=2))
    return closes.index[closes <= now][-1]


def _closes(calendar: str, start: pd.Timestamp, end: pd.Timestamp) -> pd.Series:
    """Return when the sessions from `start` to `end` close, by session; the calendar is built."""
    if calendar not in _built or start < _range[calendar][0] or end > _range[calendar][1]:
        first, last = _range.get(calendar, (start, end))
        _build(calendar, min(first, start), max(last, end))
    closes = _built[calendar]
    sessions = closes.index
    return closes.iloc[sessions.searchsorted(start) : sessions.searchsorted(end, side="right")]


def _build(calendar: str, start: pd.Timestamp, end: pd.Timestamp) -> None:
    from exchange_calendars.errors import NoSessionsError

    if end < pd.Timestamp.max - AHEAD:
        with suppress(InputError, NoSessionsError):
            _built[calendar] = _schedule(calendar, start, end + AHEAD).closes
            _range[calendar] = (start, end + AHEAD)
            return
    try:
        _built[calendar] = _schedule(calendar, start, end).closes
    except NoSessionsError:
        _built[calendar] = pd.Series([], pd.DatetimeIndex([], dtype="datetime64[ns]"))
    _range[calendar] = (start, end)


def _schedule(calendar: str, start: pd.Timestamp, end: pd.Timestamp) -> "ExchangeCalendar":
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName, NoSessionsError

    with warnings.catch_warnings():
        # pandas 3.1 deprecations inside exchange_calendars 4.13 are not the user's to mend
        warnings.simplefilter(
            "ignore", category=getattr(pd.errors, "Pandas4Warning", FutureWarning)
        )
        try:
            return exchange_calendars.get_calendar(calendar, start=start, end=end)
        except NoSessionsError:
            raise
        except InvalidCalendarName:
            names = exchange_calendars.get_calendar_names(include_aliases=True)
            close = difflib.get_close_matches(calendar, names, n=3, cutoff=0.5)
            raise InputError(
                f"There is no exchange calendar {calendar!r}: use a name of exchange_calendars "
                f"such as {', '.join(close or ['XNYS', 'XLON', 'XETR'])}, or 24/7 for plain days, "
                "with --calendar."
            ) from None
        except ValueError as error:
            raise InputError(
                f"The calendar {calendar} does not cover {start.date()} to {end.date()}: "
                f"{error} Choose other dates (--start, --end), or --calendar 24/5 for weekdays."
            ) from None
