"""Walk forward: what each model said at each cutoff, and what then happened."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from forecast.counts import counted
from forecast.errors import InputError
from forecast.models.levels import LEVELS
from forecast.prices.panel import Panel
from forecast.prices.sessions import next_sessions

if TYPE_CHECKING:
    from forecast.models.base import Fitted

#: Central bands of a forecast, per cent.
BANDS = (50, 80, 90, 98)
#: Quantile levels that are written beside the price forecasts.
WRITTEN_LEVELS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts of M models from N origins (`cutoffs`: ``unique_id, cutoff``).

    `actual` (N, H) is the log return that followed, NaN where it was not observed (yet);
    `quantiles` has (N, H, Q) float32 per model, NaN where a model had too little history.
    """

    cutoffs: pd.DataFrame
    horizons: tuple[int, ...]
    levels: np.ndarray
    actual: np.ndarray
    quantiles: dict[str, np.ndarray]

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order given."""
        return list(self.quantiles)

    def select(self, models: Iterable[str]) -> Self:
        """Return the backtest of some of the models, in that order."""
        return replace(self, quantiles={name: self.quantiles[name] for name in models})

    def at(self, model: str, level: float) -> np.ndarray:
        """One quantile (N, H) of one model."""
        return self.quantiles[model][:, :, level_index(self.levels, level)]


def level_index(levels: np.ndarray, level: float) -> int:
    """Position of a quantile level, found within rounding; KeyError if it is not there."""
    near = np.flatnonzero(np.isclose(levels, level, rtol=0, atol=1e-9))
    if not near.size:
        raise KeyError(f"no level {level} among the {len(levels)} levels of this backtest")
    return int(near[0])


def make_cutoffs(
    panel: Panel,
    first: pd.Timestamp | str,
    last: pd.Timestamp | str | None = None,
    horizon: int = 0,
) -> pd.DataFrame:
    """Every observed session from `first` to `last` (inclusive) of every ticker is an origin.

    Sessions with fewer than `horizon` sessions after them in the panel are left out, so that
    all horizons up to it are scored on the same origins. Returns ``unique_id, cutoff``, sorted
    by ticker and date. Raises InputError when there is none.
    """
    sessions = panel.sessions
    final = sessions[-1] if last is None else pd.Timestamp(last)
    index = np.arange(len(sessions))
    inside = (sessions >= pd.Timestamp(first)) & (sessions <= final)
    inside &= index < len(sessions) - horizon
    ticker, session = np.nonzero((np.isfinite(panel.level) & inside[:, None]).T)
    if not ticker.size:
        raise InputError(
            f"No origin from {pd.Timestamp(first).date()} to {final.date()} has "
            f"{counted(horizon, 'session')} after it: the prices run from {sessions[0].date()} "
            f"to {sessions[-1].date()}; "
            "choose an earlier --test-start, a later --end or a shorter --horizon."
        )
    names = pd.Categorical.from_codes(ticker, categories=pd.Index(panel.tickers))
    return pd.DataFrame({"unique_id": names, "cutoff": sessions[session]})


def walk_forward(
    models: Mapping[str, "Fitted"],
    panel: Panel,
    cutoffs: pd.DataFrame,
    horizons: tuple[int, ...],
    done: Callable[[str], None] = lambda name: None,
) -> Backtest:
    """Let every fitted model forecast from every origin of `cutoffs`; nothing is refitted.

    `done` is told the name of each model that has. Raises InputError when an origin is not in the
    panel.
    """
    quantiles = {}
    for name, model in models.items():
        forecasts = model.forecast(panel, cutoffs, horizons, LEVELS)
        quantiles[name] = np.asarray(forecasts, np.float32)
        done(name)
    actual = realised(panel, cutoffs, horizons)
    return Backtest(cutoffs.reset_index(drop=True), tuple(horizons), LEVELS, actual, quantiles)


def realised(panel: Panel, cutoffs: pd.DataFrame, horizons: tuple[int, ...]) -> np.ndarray:
    """Log return (N, H) from each cutoff's close to the close h sessions later, or NaN."""
    session, ticker = panel.locate(cutoffs)
    level, last = panel.level, len(panel.sessions) - 1
    later = session[:, None] + np.asarray(horizons)  # (N, H)
    then = level[np.minimum(later, last), ticker[:, None]].astype(float)
    return np.where(later <= last, then - level[session, ticker][:, None], np.nan)


def forecast_frame(backtest: Backtest, panel: Panel) -> pd.DataFrame:
    """Forecasts as prices: ``unique_id, cutoff, h, ds, y, <model>, <model>-lo-50, … -hi-98``.

    `<model>` is the median, `y` the price at `ds` (NaN when not known). Dates after the panel's
    end are sessions of its calendar. N·H rows, sorted as the cutoffs, then by horizon.
    """
    session, ticker = panel.locate(backtest.cutoffs)
    now = panel.level[session, ticker][:, None]  # (N, 1)
    columns = _keys(backtest)
    columns["ds"] = target_dates(panel, session, backtest.horizons).ravel()
    columns["y"] = panel.value(now + backtest.actual).ravel()
    for model in backtest.models:
        sides = {"": 0.5}
        for band in BANDS:
            tail = round((1 - band / 100) / 2, 4)
            sides |= {f"-lo-{band}": tail, f"-hi-{band}": round(1 - tail, 4)}
        for suffix, level in sides.items():
            columns[model + suffix] = panel.value(now + backtest.at(model, level)).ravel()
    return pd.DataFrame(columns)


def quantile_frame(
    backtest: Backtest, levels: Sequence[float] | np.ndarray = WRITTEN_LEVELS
) -> pd.DataFrame:
    """Forecasts as log returns: ``unique_id, cutoff, h, log_return, <model>-q-0.01, … -q-0.99``.

    Rows are those of `forecast_frame`, in the same order; `log_return` is what followed. With
    all levels of the backtest `read_quantile_frame` gives it back.
    """
    columns = _keys(backtest)
    columns["log_return"] = backtest.actual.ravel()
    for model in backtest.models:
        for level in levels:
            columns[f"{model}-q-{level:g}"] = backtest.at(model, level).ravel()
    return pd.DataFrame(columns)


def read_quantile_frame(frame: pd.DataFrame) -> Backtest:
    """Return the backtest whose `quantile_frame` this is, with the levels that were written."""
    horizons = tuple(int(h) for h in frame["h"].unique())
    H = len(horizons)
    columns = [name for name in frame if "-q-" in str(name)]
    models = list(dict.fromkeys(str(name).rsplit("-q-", 1)[0] for name in columns))
    levels = np.array([float(str(name).rsplit("-q-", 1)[1]) for name in columns])
    levels = levels[: len(columns) // len(models)]
    quantiles = frame[columns].to_numpy(np.float32).reshape(-1, H, len(models), len(levels))
    return Backtest(
        cutoffs=frame[["unique_id", "cutoff"]].iloc[::H].reset_index(drop=True),
        horizons=horizons,
        levels=levels,
        actual=frame["log_return"].to_numpy().reshape(-1, H),
        quantiles={model: quantiles[:, :, m] for m, model in enumerate(models)},
    )


def join(parts: Sequence[Backtest]) -> Backtest:
    """Put backtests of the same models and horizons together, origins in the order given."""
    first = parts[0]
    cutoffs = [
        part.cutoffs.assign(unique_id=part.cutoffs["unique_id"].astype(str)) for part in parts
    ]
    return Backtest(
        cutoffs=pd.concat(cutoffs, ignore_index=True),
        horizons=first.horizons,
        levels=first.levels,
        actual=np.concatenate([part.actual for part in parts]),
        quantiles={
            model: np.concatenate([part.quantiles[model] for part in parts])
            for model in first.models
        },
    )


def add_mean(backtest: Backtest, name: str, members: Sequence[str]) -> Backtest:
    """Put the mean of the quantiles of `members` (Vincent averaging) before all other models."""
    mean = np.mean([backtest.quantiles[member] for member in members], axis=0)
    return replace(backtest, quantiles={name: mean, **backtest.quantiles})


def _keys(backtest: Backtest) -> dict[str, Any]:
    """Columns ``unique_id, cutoff, h`` of the N·H rows."""
    H = len(backtest.horizons)
    names = backtest.cutoffs["unique_id"].astype(str).astype("str")
    return {
        "unique_id": names.repeat(H).to_numpy(),
        "cutoff": backtest.cutoffs["cutoff"].to_numpy().repeat(H),
        "h": np.tile(np.asarray(backtest.horizons), len(names)),
    }


def target_dates(panel: Panel, session: np.ndarray, horizons: Sequence[int]) -> np.ndarray:
    """Dates (N, H) h sessions after sessions (N,), from the calendar past the panel's end."""
    later = session[:, None] + np.asarray(horizons)
    beyond = int(later.max()) - len(panel.sessions) + 1
    dates = panel.sessions
    if beyond > 0:
        dates = dates.union(next_sessions(panel.calendar, dates[-1], beyond))
    return dates.to_numpy()[later]
