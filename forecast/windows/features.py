"""Causal, scale-free features: what a forecaster may know at the close of each session."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecast.prices.panel import Panel

#: Decay per session of the volatility that scales targets (RiskMetrics 1996).
DECAY = 0.94
#: Decays of the other volatilities: about 4, 60 and 330 sessions of memory.
FAST, SLOW, LONG = 0.80, 0.985, 0.997
#: The features in the order of their columns; "range" needs highs and lows.
NAMES = (
    *("shock", "volatility_4", "volatility_60", "volatility_330", "relative", "echo_1", "echo_5"),
    *("range", "market_shock", "market_volatility_4", "market_volatility_60"),
    *("market_volatility_330", "dispersion"),
)
#: Sessions in a quarter: companies report about this often.
QUARTER = 63
#: Sessions a volatility needs before it is trusted.
BURN_IN = 20
#: The volatility never falls below this share of its long-run value, so that a flat stretch
#: does not turn the next move into thousands of standard deviations. A series that has never
#: moved has no long-run value: its volatility is `FLOOR`, which is a unit of nothing.
FLOOR_SHARE, FLOOR = 0.05, 1e-8


class Features(NamedTuple):
    """What `causal_features` returns."""

    values: np.ndarray  # (U, S, F) float32, 0 where a session has no news
    names: tuple[str, ...]  # F names
    volatility: np.ndarray  # (U, S) float64, per session, in units of the log return


def ewma_volatility(log_return: pd.DataFrame, decay: float = DECAY) -> pd.DataFrame:
    """Exponentially weighted volatility per session, known at that session's close.

    ``σ²_t = Σ_k decay^k r²_{t−k} / Σ_k decay^k`` (RiskMetrics 1996, with weights that sum to
    one from the first session on). Sessions without a return are passed over.
    """
    variance = log_return.pow(2).ewm(alpha=1 - decay, adjust=True, ignore_na=True).mean()
    return variance.pow(0.5)


def log_returns(panel: Panel) -> pd.DataFrame:
    """Log return since the last observed close (S × U); NaN where nothing was observed."""
    level = pd.DataFrame(panel.level, index=panel.sessions, columns=panel.tickers)
    return level - level.ffill().shift(1)


def causal_features(panel: Panel, market: Sequence[str] = ()) -> Features:
    """Features (U, S, F) of every session, from prices at or before it.

    `market` names the tickers whose mean is the market; those not in the panel are passed over,
    and without any of them it is the mean of all.

    In units of the ticker's own volatility σ (decay 0.94) or as log ratios to it: ``shock``
    r_t/σ_{t−1} (asinh), ``volatility_4/60/330`` a faster or slower σ over σ, ``relative`` σ over
    that of the market, ``echo_1/5`` mean |shock| about a quarter (63 sessions) before the next 1
    or 5 sessions, when the company last reported; and ``range``, the Parkinson (1980) range
    volatility over σ, when highs and lows are there. The same for all tickers: the market's
    ``market_shock`` and ``market_volatility_4/60/330``, and ``dispersion``, the spread of the
    tickers' shocks.
    """
    returns = log_returns(panel)
    raw = ewma_volatility(returns)
    floor = (FLOOR_SHARE * ewma_volatility(returns, LONG)).clip(lower=FLOOR)
    sigma = raw.where(raw > floor, floor)
    members = [ticker for ticker in panel.tickers if ticker in set(market)] or panel.tickers
    names = tuple(name for name in NAMES if name != "range" or _has_range(panel))
    values = np.empty((len(panel.tickers), len(panel.sessions), len(names)), np.float32)
    columns = _columns(panel, returns, sigma, members)
    for f, (name, column) in enumerate(columns):  # (S, U) or (S, 1); one at a time saves memory
        assert name == names[f]
        values[:, :, f] = np.nan_to_num(column.to_numpy().T, nan=0.0, posinf=0.0, neginf=0.0)
    return Features(values, names, sigma.to_numpy().T.copy())


def _columns(
    panel: Panel, returns: pd.DataFrame, sigma: pd.DataFrame, members: list[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Make the features one by one, in the order of `NAMES`."""
    mean = returns[members].mean(axis=1).to_frame("market")
    mean_sigma = ewma_volatility(mean).clip(lower=FLOOR)
    shock = _shock(returns, sigma)
    dispersion = shock[members].std(axis=1).to_frame()
    yield "shock", shock
    yield from _volatilities("volatility", returns, sigma)
    yield "relative", _log_ratio(sigma, mean_sigma)
    size = shock.abs()
    yield "echo_1", size.rolling(5, min_periods=1).mean().shift(QUARTER - 3)
    yield "echo_5", size.rolling(9, min_periods=1).mean().shift(QUARTER - 9)
    if _has_range(panel):
        yield "range", _log_ratio(_parkinson(panel), sigma)
    yield "market_shock", _shock(mean, mean_sigma)
    yield from _volatilities("market_volatility", mean, mean_sigma)
    yield "dispersion", dispersion


def _has_range(panel: Panel) -> bool:
    """Say whether a range volatility can be told: prices with highs and lows."""
    return panel.scale == "log" and {"high", "low"} <= set(panel.fields)


def _shock(returns: pd.DataFrame, sigma: pd.DataFrame) -> pd.DataFrame:
    """arcsinh(r_t/σ_{t−1}): the identity for small shocks, a logarithm for large ones.

    The first move of a series has no σ to be measured by, and is no shock.
    """
    shock = (returns / sigma.where(sigma > FLOOR).shift(1)).to_numpy()
    return pd.DataFrame(np.arcsinh(shock), returns.index, returns.columns)


def _volatilities(
    name: str, returns: pd.DataFrame, sigma: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Log ratios to σ of volatilities with about 4, 60 and 330 sessions of memory."""
    for memory, decay in ((4, FAST), (60, SLOW), (330, LONG)):
        yield f"{name}_{memory}", _log_ratio(ewma_volatility(returns, decay), sigma)


def _log_ratio(volatility: pd.DataFrame, sigma: pd.DataFrame) -> pd.DataFrame:
    """Log of one volatility over another (S, U or 1), kept within e^±3 where one vanishes."""
    ratio = volatility.to_numpy() / sigma.to_numpy()
    log = np.log(np.maximum(ratio, 1e-12)).clip(-3, 3)
    return pd.DataFrame(log, volatility.index, volatility.columns)


def _parkinson(panel: Panel) -> pd.DataFrame:
    """Range volatility of about four sessions: log(high/low)² / (4 ln 2) (Parkinson 1980)."""
    high, low = panel.field("high"), panel.field("low")
    span = pd.DataFrame(np.log(high / low), index=panel.sessions, columns=panel.tickers)
    return ewma_volatility(span, FAST) / (4 * np.log(2)) ** 0.5
