"""What may be wrong of an evening, so that a person should look: clock, source, histories."""

import pandas as pd

from forecast.counts import counted
from forecast.errors import InputError
from forecast.jobs.evening import Evening
from forecast.ledger import History, Ledger
from forecast.prices.sessions import sessions_between

#: A clock may be set back by so much without a word.
CLOCK_TOLERANCE = pd.Timedelta(minutes=10)
#: Sessions that may close without a new price before a person is called.
LATE_SESSIONS = 3
#: Sessions for which a ticker without new prices is told; after that it rests.
ENDED_SESSIONS = 10
#: Troubles of one kind that are told one by one.
TOLD = 10


def check_clock(ledger: Ledger, now: pd.Timestamp) -> None:
    """Raise InputError when the ledger was written later than `now`."""
    newest = ledger.newest_entry()
    if newest is not None and now < newest - CLOCK_TOLERANCE:
        raise InputError(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, but {ledger.path} was last written on "
            f"{newest:%Y-%m-%d %H:%M} UTC: set the clock; nothing was written."
        )


def histories_of(evening: Evening) -> dict[str, History]:
    """How much there is of each ticker that is forecast."""
    closes = evening.panel.field("adj_close")
    found = {}
    for ticker in evening.tickers:
        days = closes.index[closes[ticker].notna()]
        found[ticker] = History(f"{days[0]:%Y-%m-%d}", f"{days[-1]:%Y-%m-%d}", len(days))
    return found


def trouble_of(ledger: Ledger, evening: Evening, allow_shorter: bool) -> list[str]:
    """Say what needs a person; a ticker whose history has shrunk is taken off the list."""
    trouble = [*_late(evening), *_ended(ledger, evening)]
    return trouble if allow_shorter else trouble + _shorter(ledger, evening)


def closed_since(evening: Evening) -> int:
    """How many sessions have closed since the newest price."""
    last, closed = evening.panel.sessions[-1], evening.last_closed
    return len(sessions_between(evening.panel.calendar, last, closed)) - 1 if last < closed else 0


def _late(evening: Evening) -> list[str]:
    """Many sessions have closed since the newest price."""
    missing = closed_since(evening)
    if missing <= LATE_SESSIONS:
        return []
    return [
        f"the prices end on {evening.panel.sessions[-1]:%Y-%m-%d}, and {missing} sessions have "
        "closed since: is their source still fed?"
    ]


def _ended(ledger: Ledger, evening: Evening) -> list[str]:
    """Tickers that were forecast lately and have no newest price, or none at all."""
    sessions, recorded = evening.panel.sessions, ledger.recorded(evening.model)
    lately = sessions[-min(ENDED_SESSIONS, len(sessions))]
    gone = sorted(set(recorded) - set(evening.panel.tickers)) if evening.everything else []
    missing = {**evening.ended, **dict.fromkeys(gone)}
    told = [
        f"{ticker} has no price{f' after {last:%Y-%m-%d}' if last else ''}, others run to "
        f"{sessions[-1]:%Y-%m-%d}: delisted, or missing at the source?"
        for ticker, last in missing.items()
        if ticker in recorded and max(recorded[ticker]) >= lately
    ]
    return _some(told)


def _shorter(ledger: Ledger, evening: Evening) -> list[str]:
    """Tickers with fewer sessions, or older ones, than there were before."""
    known, told = ledger.histories(), []
    for ticker, now in histories_of(evening).items():
        before = known.get(ticker, now)
        if now.sessions < before.sessions or now.last < before.last:
            evening.drop([ticker])
            told.append(
                f"{ticker} has {counted(now.sessions, 'session')} to {now.last}, but had "
                f"{before.sessions:,} to {before.last} before: it is not forecast until they are "
                "back; --allow-shorter accepts it"
            )
    return _some(told)


def _some(told: list[str]) -> list[str]:
    more = len(told) - TOLD
    return told[:TOLD] + ([f"{more:,} more tickers of this kind"] if more > 0 else [])
