"""Splits by date: train, validation and test, purged so that no target reaches across a border."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from forecast.counts import counted
from forecast.errors import InputError
from forecast.prices.panel import Panel
from forecast.settings import WindowSettings
from forecast.windows.features import BURN_IN

#: Fewest sessions a ticker must have beside lookback and horizon to be worth learning from.
MIN_TRAINING_SESSIONS = 250
#: Tickers left out that have a sentence of their own; more have one together.
MOST_SENTENCES = 3
#: Shares of the sessions before validation and before test when no date is given.
DEFAULT_SHARES = (0.65, 0.80)


@dataclass(frozen=True)
class Splits:
    """Session indices of the borders; an origin belongs to a split with all its targets.

    Origins of a split are the sessions ``first … last`` (both included). The first of all has
    burn-in and warm-up behind it. Between the last origin of a split and the first of the next
    lie `horizon` sessions (the purge), whose targets would end in the next split; as many at
    the end have no known target yet.
    """

    train: tuple[int, int]
    validation: tuple[int, int]
    test: tuple[int, int]
    horizon: int

    def dates(self, panel: Panel) -> dict[str, dict[str, str]]:
        """First and last origin of each split as ISO dates, for manifest and terminal."""
        day = panel.sessions.strftime("%Y-%m-%d")
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: {"first": day[a], "last": day[b]} for name, (a, b) in parts.items()}


def make_splits(panel: Panel, settings: WindowSettings) -> Splits:
    """Cut the panel's sessions at two dates and purge by the longest horizon.

    Raises InputError when a border lies outside the data or a part would be empty.
    """
    sessions = panel.sessions
    validation = _border(
        sessions, settings.validation_start, DEFAULT_SHARES[0], "--validation-start"
    )
    test = _border(sessions, settings.test_start, DEFAULT_SHARES[1], "--test-start")
    if settings.test_start and not settings.validation_start:
        validation = min(validation, int(test * DEFAULT_SHARES[0] / DEFAULT_SHARES[1]))
    if settings.validation_start and not settings.test_start:
        test = max(test, (validation + len(sessions)) // 2)
    purge = settings.horizon
    splits = Splits(
        train=(BURN_IN + settings.warmup, validation - purge - 1),
        validation=(validation, test - purge - 1),
        test=(test, len(sessions) - purge - 1),
        horizon=purge,
    )
    _check_lengths(panel, settings, splits)
    return splits


def _border(sessions: pd.DatetimeIndex, day: date | None, share: float, flag: str) -> int:
    if day is None:
        return int(len(sessions) * share)
    index = int(sessions.searchsorted(pd.Timestamp(day)))
    if not 0 < index < len(sessions):
        raise InputError(
            f"{flag} {day} leaves no session on one side: the prices run from "
            f"{sessions[0]:%Y-%m-%d} to {sessions[-1]:%Y-%m-%d}; choose a date between."
        )
    return index


def _check_lengths(panel: Panel, settings: WindowSettings, splits: Splits) -> None:
    purge = settings.horizon
    training = splits.train[1] - settings.lookback + 1
    if training < MIN_TRAINING_SESSIONS:
        alone = settings.test_start and not settings.validation_start
        flag = "--test-start" if alone else "--validation-start"
        need = settings.lookback + purge + MIN_TRAINING_SESSIONS
        have = splits.train[1] + purge + 1
        raise InputError(
            f"{have} sessions before validation; lookback {settings.lookback} + horizon {purge} + "
            f"{MIN_TRAINING_SESSIONS} training sessions need {need}: choose a later {flag}, an "
            "earlier --start or a shorter --lookback."
        )
    for name, (first, last), remedy in (
        ("validation", splits.validation, "an earlier --validation-start, a later --test-start"),
        ("test", splits.test, "an earlier --test-start, a later --end"),
    ):
        if last - first + 1 < 2 * purge:
            raise InputError(
                f"the {name} part has {max(last - first + 1, 0)} sessions with a known outcome "
                f"after the purge of {purge}; at least {2 * purge} are needed: choose "
                f"{remedy} or a shorter --horizon."
            )


def drop_short_tickers(
    panel: Panel, settings: WindowSettings, asked: tuple[str, ...]
) -> tuple[Panel, list[str]]:
    """Leave out tickers with too little history; return the panel and what to say of it.

    A ticker that was asked for by name is not left out: InputError says what it lacks.
    """
    need = settings.lookback + settings.horizon + MIN_TRAINING_SESSIONS
    counts = dict(zip(panel.tickers, np.isfinite(panel.level).sum(axis=0), strict=True))
    short = {ticker: int(n) for ticker, n in counts.items() if n < need}
    arithmetic = (
        f"lookback {settings.lookback} + horizon {settings.horizon} + "
        f"{MIN_TRAINING_SESSIONS} training sessions need {need}"
    )
    wanted = sorted(set(short) & set(asked))
    if wanted or len(short) == len(counts):
        ticker = (wanted or sorted(short))[0]
        raise InputError(
            f"{ticker} has {short[ticker]} sessions; {arithmetic}: drop {ticker}, "
            "give more history or shorten --lookback."
        )
    kept = [ticker for ticker in panel.tickers if ticker not in short]
    return (panel.select(tickers=kept) if short else panel), _left_out(short, arithmetic)


def _left_out(short: dict[str, int], arithmetic: str) -> list[str]:
    """A sentence for each ticker, or one for all of many."""
    told = [
        f"{ticker} left out: {counted(count, 'session')}; {arithmetic}"
        for ticker, count in short.items()
    ]
    if len(told) <= MOST_SENTENCES:
        return told
    some = ", ".join(f"{ticker} {short[ticker]}" for ticker in list(short)[:MOST_SENTENCES])
    return [
        f"{len(short)} tickers left out, their sessions are too few: {some} and "
        f"{len(short) - MOST_SENTENCES} more; {arithmetic}"
    ]
