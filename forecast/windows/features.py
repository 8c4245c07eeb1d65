"""Causal, scale-free features: what a forecaster may know at the close of each session."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from forecast.prices.mapped import new_array
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
#: Tickers whose features are made at once.
BLOCK = 256
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
    volatility: np.ndarray  # (U, S) per session, in units of the log return


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
    tickers, S = panel.tickers, len(panel.sessions)
    names = tuple(name for name in NAMES if name != "range" or _has_range(panel))
    values = new_array((len(tickers), S, len(names)))
    volatility = new_array((len(tickers), S), panel.frame["adj_close"].to_numpy().dtype.type)
    # one block of tickers after the other saves memory; the market is needed first
    own = lru_cache(maxsize=1)(lambda start: _own(panel, slice(start, start + BLOCK)))
    starts = range(0, len(tickers), BLOCK)
    members = set(tickers) & set(market) or set(tickers)
    chosen = np.array([ticker in members for ticker in tickers])
    all_of_market = _market((own(start), chosen[start : start + BLOCK]) for start in starts)
    for start in starts:
        block = slice(start, start + BLOCK)
        for f, column in enumerate(_columns(panel, own(start), all_of_market)):  # (S, U) or (S, 1)
            values[block, :, f] = np.nan_to_num(
                column.to_numpy().T, nan=0.0, posinf=0.0, neginf=0.0
            )
        volatility[block] = own(start).sigma.to_numpy().T
    return Features(values, names, volatility)


class _Own(NamedTuple):
    """What is known of a block of tickers alone, (S, U) each."""

    block: slice
    returns: pd.DataFrame
    sigma: pd.DataFrame
    shock: pd.DataFrame


class _Market(NamedTuple):
    """What all tickers have in common, (S, 1) each."""

    mean: pd.DataFrame  # log return
    sigma: pd.DataFrame
    dispersion: pd.DataFrame


def _own(panel: Panel, block: slice) -> _Own:
    value = panel.field("adj_close").iloc[:, block].astype(np.float64)
    level = pd.DataFrame(np.log(value)) if panel.scale == "log" else value
    returns = level - level.ffill().shift(1)
    raw = ewma_volatility(returns)
    floor = (FLOOR_SHARE * ewma_volatility(returns, LONG)).clip(lower=FLOOR)
    sigma = raw.where(raw > floor, floor)
    return _Own(block, returns, sigma, _shock(returns, sigma))


def _market(parts: Iterable[tuple[_Own, np.ndarray]]) -> _Market:
    """Mean return and spread of shocks over the chosen tickers, block by block (Chan 1983)."""
    total: Any = 0.0
    returns = count = shocks = mean = squares = total
    for own, chosen in parts:
        r, shock = own.returns.loc[:, chosen], own.shock.loc[:, chosen]
        total, returns = total + r.sum(axis=1), returns + r.count(axis=1)
        n, block_mean = shock.count(axis=1), shock.mean(axis=1).fillna(0.0)
        within = shock.sub(block_mean, axis=0).pow(2).sum(axis=1)
        shocks = count + n
        apart = block_mean - mean
        squares = squares + within + apart**2 * (count * n / np.maximum(shocks, 1))
        mean = mean + apart * n / np.maximum(shocks, 1)
        count = shocks
    market = (total / returns.where(returns > 0)).to_frame("market")
    spread = (squares / (count - 1).where(count > 1)).pow(0.5).to_frame()
    return _Market(market, ewma_volatility(market).clip(lower=FLOOR), spread)


def _columns(panel: Panel, own: _Own, market: _Market) -> Iterator[pd.DataFrame]:
    """Make the features of a block one by one, in the order of `NAMES`."""
    yield own.shock
    yield from _volatilities(own.returns, own.sigma)
    yield _log_ratio(own.sigma, market.sigma)
    size = own.shock.abs()
    yield size.rolling(5, min_periods=1).mean().shift(QUARTER - 3)
    yield size.rolling(9, min_periods=1).mean().shift(QUARTER - 9)
    if _has_range(panel):
        yield _log_ratio(_parkinson(panel, own.block), own.sigma)
    yield _shock(market.mean, market.sigma)
    yield from _volatilities(market.mean, market.sigma)
    yield market.dispersion


def _has_range(panel: Panel) -> bool:
    """Say whether a range volatility can be told: prices with highs and lows."""
    return panel.scale == "log" and {"high", "low"} <= set(panel.fields)


def _shock(returns: pd.DataFrame, sigma: pd.DataFrame) -> pd.DataFrame:
    """arcsinh(r_t/σ_{t−1}): the identity for small shocks, a logarithm for large ones.

    The first move of a series has no σ to be measured by, and is no shock.
    """
    shock = (returns / sigma.where(sigma > FLOOR).shift(1)).to_numpy()
    return pd.DataFrame(np.arcsinh(shock), returns.index, returns.columns)


def _volatilities(returns: pd.DataFrame, sigma: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Log ratios to σ of volatilities with about 4, 60 and 330 sessions of memory."""
    for decay in (FAST, SLOW, LONG):
        yield _log_ratio(ewma_volatility(returns, decay), sigma)


def _log_ratio(volatility: pd.DataFrame, sigma: pd.DataFrame) -> pd.DataFrame:
    """Log of one volatility over another (S, U or 1), kept within e^±3 where one vanishes."""
    ratio = volatility.to_numpy() / sigma.to_numpy()
    log = np.log(np.maximum(ratio, 1e-12)).clip(-3, 3)
    return pd.DataFrame(log, volatility.index, volatility.columns)


def _parkinson(panel: Panel, block: slice) -> pd.DataFrame:
    """Range volatility of about four sessions: log(high/low)² / (4 ln 2) (Parkinson 1980)."""
    high, low = (panel.field(name).iloc[:, block].astype(np.float64) for name in ("high", "low"))
    span = pd.DataFrame(np.log(high / low))
    return ewma_volatility(span, FAST) / (4 * np.log(2)) ** 0.5
