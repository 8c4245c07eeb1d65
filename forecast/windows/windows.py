"""Windows over a panel, drawn by index: no window is stored, a batch is cut when it is needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from forecast.counts import counted
from forecast.errors import InputError
from forecast.prices.mapped import new_array
from forecast.prices.panel import Panel
from forecast.settings import WindowSettings
from forecast.windows.features import BURN_IN, FLOOR, causal_features
from forecast.windows.splits import Splits, make_splits

Split = Literal["train", "validation", "test"]


class Batch(NamedTuple):
    """B windows of T sessions with the targets of the O origins in each (O = T − warm-up)."""

    x: np.ndarray  # (B, T, F) float32 features
    y: np.ndarray  # (B, O, K) float32 log return over h sessions / (volatility √h)
    weight: np.ndarray  # (B, O, K) float32: 1 where the target counts, 0 elsewhere


@dataclass(frozen=True)
class Pool:
    """Windows by number, ticker by ticker and start by start; none of them is stored."""

    first: np.ndarray  # (U,) first start of each ticker
    ends: np.ndarray  # (U,) number after each ticker's last window

    def __len__(self) -> int:
        return int(self.ends[-1])

    def windows(self, numbers: np.ndarray) -> np.ndarray:
        """The windows (B, 2), ticker and start, of their numbers (B,)."""
        ticker = np.searchsorted(self.ends, numbers, side="right")
        before = np.concatenate([[0], self.ends])[ticker]
        return np.column_stack([ticker, self.first[ticker] + numbers - before])


class WindowArrays(NamedTuple):
    """Plain arrays for any other library: one window for each of N origins."""

    x: np.ndarray  # (N, T, F) float32 features of the T sessions up to the cutoff
    y: np.ndarray  # (N, H) float32 log return over 1 … H sessions / scale
    scale: np.ndarray  # (N, H) float32 volatility √h: y · scale is the log return
    unique_id: np.ndarray  # (N,) tickers
    cutoff: np.ndarray  # (N,) datetime64 last session of the window


@dataclass(frozen=True, eq=False)
class Windows:
    """The panel as tensors, and the rules by which windows are cut from them.

    A window is named by (ticker index, start session index); it spans `lookback` sessions.
    Every session of it from `warmup` on is an origin, so one window carries many targets.
    """

    features: np.ndarray  # (U, S, F) float32
    feature_names: tuple[str, ...]
    volatility: np.ndarray  # (U, S) per session
    level: np.ndarray  # (U, S) log price, NaN where nothing was observed
    tickers: tuple[str, ...]
    sessions: np.ndarray  # (S,) datetime64
    settings: WindowSettings

    @cached_property
    def first(self) -> np.ndarray:
        """First session (U,) a window of each ticker may start at; beyond S if never observed."""
        seen = np.isfinite(self.level)
        return np.where(seen.any(axis=1), seen.argmax(axis=1), self.sessions.size) + BURN_IN

    def pool(self, last_origin: int) -> Pool:
        """All windows whose sessions lie at or before `last_origin`: to draw from."""
        stop = last_origin - self.settings.lookback + 2
        return Pool(self.first, np.cumsum(np.maximum(stop - self.first, 0)))

    def starts(self, last_origin: int) -> np.ndarray:
        """The windows (N, 2) of `pool`, all of them."""
        pool = self.pool(last_origin)
        return pool.windows(np.arange(len(pool)))

    def covering(
        self, ticker: np.ndarray, session: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Fewest windows that hold all given origins after their warm-up.

        Returns windows (C, 2) and, for each of the N origins, its window (N,) and its place
        among that window's O origins (N,). Windows overlap by the warm-up and are anchored at
        the panel's first session, so the window of an origin does not depend on the other
        origins asked for. An origin with less than burn-in plus warm-up behind it has place −1.
        """
        lookback, warmup = self.settings.lookback, self.settings.warmup
        stride = lookback - warmup
        start = np.maximum((session - warmup) // stride * stride, self.first[ticker])
        position = session - start
        size = self.sessions.size + BURN_IN + 1  # more than any start
        keys, row = np.unique(ticker.astype(np.int64) * size + start, return_inverse=True)
        windows = np.column_stack(np.divmod(keys, size))
        return windows, row.ravel(), np.maximum(position - warmup, -1)

    def inputs(self, windows: np.ndarray) -> np.ndarray:
        """Features (B, T, F) of windows (B, 2); past the last session they repeat it.

        A recurrent network is causal, so the repeated tail touches no origin in the data.
        """
        at = windows[:, 1, None] + np.arange(self.settings.lookback)  # (B, T)
        last, count = self.sessions.size - 1, self.features.shape[-1]
        row = windows[:, 0, None] * self.sessions.size + np.minimum(at, last)
        rows = np.asarray(self.features).reshape(-1, count)  # (U·S, F), a view
        return rows.take(row, axis=0)  # in a fifth of the time of features[ticker, at]

    def batch(self, windows: np.ndarray, origins: tuple[int, int]) -> Batch:
        """Features, targets and weights of windows (B, 2).

        Only origins after the warm-up, within ``origins`` (first, last session index) and with
        an observed price at both ends count. The numbers are those of `targets`, for a third of
        the work: neighbouring origins share their prices.
        """
        last, horizons = self.sessions.size - 1, self.settings.learned_horizons
        ticker, count = windows[:, 0, None], self.settings.lookback - self.settings.warmup  # O
        at = self.settings.warmup + np.arange(count + horizons[-1])
        at = windows[:, 1, None] + at  # (B, O + H)
        level = self.level[ticker, np.minimum(at, last)]
        level[at > last] = np.nan
        origin = at[:, :count]
        unit = self.volatility[ticker, np.minimum(origin, last)]
        unit[(origin < origins[0]) | (origin > origins[1]) | (unit <= FLOOR)] = np.nan
        y = np.empty((*origin.shape, len(horizons)), np.float32)
        for k, h in enumerate(horizons):
            y[..., k] = (level[:, h : h + count] - level[:, :count]) / (unit * np.sqrt(h))
        weight = np.isfinite(y)
        y[~weight] = 0
        return Batch(self.inputs(windows), y, weight.astype(np.float32))

    def targets(
        self, ticker: np.ndarray, session: np.ndarray, horizons: tuple[int, ...]
    ) -> np.ndarray:
        """Log return over each of H horizons / (volatility √h) (…, H); NaN where unknown.

        A series that has not moved yet has no volatility, and its first move no size.
        """
        last = self.sessions.size - 1
        now = np.minimum(session, last)
        later = session[..., None] + np.array(horizons)  # (…, H)
        change = self.level[ticker[..., None], np.minimum(later, last)]
        change = change - self.level[ticker, now][..., None]
        moved = self.volatility[ticker, now][..., None] > FLOOR
        known = (later <= last) & moved
        return np.where(known, change / self.scale(ticker, now, horizons), np.nan)

    def scale(
        self, ticker: np.ndarray, session: np.ndarray, horizons: tuple[int, ...]
    ) -> np.ndarray:
        """Volatility × √h (…, H) of origins (…): the unit of their targets."""
        return self.volatility[ticker, session][..., None] * np.sqrt(horizons)


def build_windows(panel: Panel, settings: WindowSettings, market: Sequence[str] = ()) -> Windows:
    """Turn a panel into tensors from which windows are cut by index.

    `market` names the tickers that make up the market features (default: all of the panel).

    Raises InputError when the panel has fewer sessions than burn-in and warm-up need.
    """
    need = settings.warmup + BURN_IN + 1
    if len(panel.sessions) < need:
        raise InputError(
            f"{counted(len(panel.sessions), 'session')}; a forecast needs {BURN_IN} sessions to "
            "estimate "
            f"volatility + {settings.warmup} to warm up + 1 = {need}: give more history or "
            "shorten --lookback."
        )
    seen = panel.closes() if settings.closes_only else panel
    values, names, volatility = causal_features(seen, market)
    return Windows(
        features=values,
        feature_names=names,
        volatility=volatility,
        level=_by_ticker(panel),
        tickers=tuple(panel.tickers),
        sessions=panel.sessions.to_numpy(),
        settings=settings,
    )


def _by_ticker(panel: Panel) -> np.ndarray:
    """Levels (U, S) of a panel, memory-mapped when there are many."""
    value = panel.field("adj_close").to_numpy()
    level = new_array(value.shape[::-1], value.dtype.type)
    np.copyto(level, value.T)
    if panel.scale == "log":
        np.log(level, out=level)
    return level


def window_arrays(panel: Panel, settings: WindowSettings, split: Split) -> WindowArrays:
    """Plain arrays of one split for use outside this project: every origin, its own window.

    Returns x (N, T, F), y (N, H), scale (N, H), unique_id (N,) and cutoff (N,). Origins without
    a full lookback behind them or without an observed target at every horizon are left out.
    """
    windows = build_windows(panel, settings)
    splits: Splits = make_splits(panel, settings)
    first, last = getattr(splits, split)
    lookback = settings.lookback
    sessions = np.arange(max(first, lookback - 1), last + 1)
    keys = np.array([(u, t - lookback + 1) for u in range(len(windows.tickers)) for t in sessions])
    keys = keys[keys[:, 1] >= windows.first[keys[:, 0]]]
    ticker, session = keys[:, 0], keys[:, 1] + lookback - 1
    horizons = tuple(range(1, settings.horizon + 1))
    scale = windows.scale(ticker, session, horizons)
    y = windows.targets(ticker, session, horizons)
    known = np.isfinite(y).all(axis=1)
    return WindowArrays(
        windows.inputs(keys[known]),
        y[known].astype(np.float32),
        scale[known].astype(np.float32),
        np.array(windows.tickers)[ticker[known]],
        windows.sessions[session[known]],
    )
