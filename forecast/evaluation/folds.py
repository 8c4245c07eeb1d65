"""Folds of a walk-forward backtest: what each refit may learn from, and what it forecasts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from forecast.counts import counted
from forecast.errors import InputError
from forecast.evaluation.backtest import Backtest, make_cutoffs, walk_forward
from forecast.prices.panel import Panel

if TYPE_CHECKING:
    from forecast.models.base import Forecaster

#: Fewest sessions from which a model may be fitted, beside the horizon.
MIN_TRAINING_SESSIONS = 250


@dataclass(frozen=True)
class Schedule:
    """How a backtest walks, in sessions.

    A model is fitted anew every `refit_every` sessions (0: once) and forecasts from every
    `step`-th session. `embargo` sessions are left out between training and the first cutoff;
    `horizon` is the longest forecast. An "expanding" window keeps all the past, a "rolling" one
    as many sessions as the first fold has.
    """

    refit_every: int = 0
    step: int = 1
    embargo: int = 0
    horizon: int = 20
    window: Literal["expanding", "rolling"] = "expanding"


@dataclass(frozen=True)
class Fold:
    """One refit: all dates are sessions, all ranges include both ends.

    Prices from `train_from` to `train_until` may be learned from; the longest target of the
    last training origin, `last_origin`, ends at `train_until` (the purge). Cutoffs are every
    `step`-th session from `first` to `last`, of `tickers` or, without any named, of all.
    """

    train_from: pd.Timestamp
    last_origin: pd.Timestamp
    train_until: pd.Timestamp
    first: pd.Timestamp
    last: pd.Timestamp
    step: int
    tickers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"learn {self.train_from.date()} … {self.train_until.date()} "
            f"(last origin {self.last_origin.date()}), "
            f"forecast {self.first.date()} … {self.last.date()}"
            + (f" every {self.step} sessions" if self.step > 1 else "")
        )

    def facts(self, panel: Panel) -> dict[str, Any]:
        """The fold for a manifest: ISO dates, step and the number of origins."""
        days = ("train_from", "last_origin", "train_until", "first", "last")
        dates = {name: f"{getattr(self, name):%Y-%m-%d}" for name in days}
        some = {"tickers": len(self.tickers)} if self.tickers else {}
        return {**dates, "step": self.step, "origins": len(self.cutoffs(panel)), **some}

    def shown(self, panel: Panel) -> Panel:
        """The panel of the tickers that are forecast."""
        return panel.select(self.tickers) if self.tickers else panel

    def cutoffs(self, panel: Panel) -> pd.DataFrame:
        """Origins ``unique_id, cutoff`` of this fold: the observed ones on its grid."""
        every = make_cutoffs(self.shown(panel), self.first, self.last)
        session, _ = panel.locate(every)
        start = panel.sessions.get_loc(self.first)
        return every[(session - start) % self.step == 0].reset_index(drop=True)


def make_folds(
    panel: Panel,
    first: pd.Timestamp | str,
    last: pd.Timestamp | str | None,
    schedule: Schedule,
    most: int | None = None,
) -> list[Fold]:
    """Cut the cutoffs from `first` to `last` (None: the end) into folds.

    Cutoffs with fewer than `horizon` sessions after them are left out, so that every target of
    every horizon is known. Where all folds have more than `most` origins together, they forecast
    some tickers alone, the same in every fold, chosen evenly from A to Z. Raises InputError when
    there is no cutoff, or when the first fold has fewer than 250 training sessions beside the
    horizon.

    Example:
        >>> from forecast.prices import clean, garch_prices
        >>> panel, _ = clean(garch_prices(1, 700, 0), source="", sha256="", calendar="XNYS")
        >>> for fold in make_folds(panel, "2012-01-03", None, Schedule(refit_every=60)):
        ...     print(fold)
        learn 2010-01-04 … 2011-12-30 (last origin 2011-12-01), forecast 2012-01-03 … 2012-03-28
        learn 2010-01-04 … 2012-03-28 (last origin 2012-02-29), forecast 2012-03-29 … 2012-06-22
        learn 2010-01-04 … 2012-06-22 (last origin 2012-05-24), forecast 2012-06-25 … 2012-09-12
    """
    sessions, horizon = panel.sessions, schedule.horizon
    start = int(sessions.searchsorted(pd.Timestamp(first)))
    end = len(sessions) - 1 - horizon
    if last is not None:
        end = min(end, int(sessions.searchsorted(pd.Timestamp(last), side="right")) - 1)
    _check(panel, start, end, schedule)
    length = start - schedule.embargo  # sessions of the first training window
    grid = np.arange(start, end + 1, schedule.step)
    fold_of = (grid - start) // (schedule.refit_every or len(sessions))
    folds = []
    for number in np.unique(fold_of):
        cutoffs = grid[fold_of == number]
        until = int(cutoffs[0]) - 1 - schedule.embargo
        rolled = until - length + 1 if schedule.window == "rolling" else 0
        folds.append(
            Fold(
                train_from=sessions[rolled],
                last_origin=sessions[until - horizon],
                train_until=sessions[until],
                first=sessions[cutoffs[0]],
                last=sessions[cutoffs[-1]],
                step=schedule.step,
            )
        )
    return folds if most is None else _of_some_tickers(folds, panel, most)


def _of_some_tickers(folds: list[Fold], panel: Panel, most: int) -> list[Fold]:
    """The folds, of evenly chosen tickers where they have more than `most` origins together."""
    names = pd.concat([fold.cutoffs(panel)["unique_id"].astype(str) for fold in folds])
    if len(names) <= most:
        return folds
    every = np.unique(names)
    count = max(len(every) * most // len(names), 1)
    chosen = every[np.linspace(0, len(every) - 1, count).round().astype(int)]
    return [replace(fold, tickers=tuple(map(str, chosen))) for fold in folds]


def refit(
    models: Mapping[str, "Forecaster"],
    panel: Panel,
    fold: Fold,
    done: Callable[[str], None] = lambda name: None,
) -> dict[str, "Forecaster"]:
    """Return clones of the models fitted on the training sessions of a fold.

    They are given no price outside these sessions; those that do not see the market are given the
    tickers of the fold alone. `done` is told the name of each that is fitted.
    """
    from sklearn.base import clone

    past = panel.select(start=fold.train_from, end=fold.train_until)
    shown = fold.shown(past)
    fitted = {}
    for name, model in models.items():
        fitted[name] = clone(model).fit(past if model.sees_market else shown, fold.train_until)
        done(name)
    return fitted


def forecast_fold(
    fitted: Mapping[str, "Forecaster"],
    panel: Panel,
    fold: Fold,
    horizons: tuple[int, ...],
    done: Callable[[str], None] = lambda name: None,
) -> Backtest:
    """Let fitted models forecast from the cutoffs of a fold; `done` is told the name of each.

    Those that do not see the market are shown the tickers of the fold alone.
    """
    cutoffs = fold.cutoffs(panel)
    if not fold.tickers:
        return walk_forward(fitted, panel, cutoffs, horizons, done)
    market = {name: model for name, model in fitted.items() if model.sees_market}
    others = {name: model for name, model in fitted.items() if not model.sees_market}
    whole = walk_forward(market, panel, cutoffs, horizons, done)
    beside = walk_forward(others, fold.shown(panel), cutoffs, horizons, done)
    quantiles = whole.quantiles | beside.quantiles
    return replace(whole, quantiles={name: quantiles[name] for name in fitted})


def walk_folds(
    models: Mapping[str, "Forecaster"],
    panel: Panel,
    folds: Sequence[Fold],
    horizons: tuple[int, ...],
    done: Callable[[str], None] = lambda what: None,
) -> Iterator[tuple[Fold, Backtest]]:
    """Refit and forecast fold by fold, so that each can be saved when it is done.

    `backtest.join` puts the parts together; `done` is told what each model has done, in words.
    """
    for fold in folds:
        fitted = refit(models, panel, fold, lambda name: done(f"{name} is fitted"))
        forecast = forecast_fold(
            fitted, panel, fold, horizons, lambda name: done(f"{name} has forecast")
        )
        yield fold, forecast


def _check(panel: Panel, start: int, end: int, schedule: Schedule) -> None:
    sessions, horizon = panel.sessions, schedule.horizon
    if end < start:
        raise InputError(
            f"No cutoff has {counted(horizon, 'session')} after it: the prices run from "
            f"{sessions[0].date()} to {sessions[-1].date()}; choose an earlier --test-start, a "
            "later --end or a shorter --horizon."
        )
    have, need = start - schedule.embargo, MIN_TRAINING_SESSIONS + horizon
    if have < need:
        raise InputError(
            f"{max(have, 0)} training sessions before the first cutoff {sessions[start].date()} "
            f"(embargo {schedule.embargo}); {MIN_TRAINING_SESSIONS} + horizon {horizon} need "
            f"{need}: choose a later --test-start, an earlier --start or a shorter --embargo."
        )
