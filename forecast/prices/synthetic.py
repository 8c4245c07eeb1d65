"""Made-up prices that behave like real ones, for tests, benchmarks and the documentation."""

import numpy as np
import pandas as pd

from forecast.prices.sessions import next_sessions

# GARCH(1,1) of daily returns in the usual range of stocks: 1.4 % a day, persistence 0.98.
_ALPHA, _BETA, _DAILY_VOLATILITY = 0.08, 0.90, 0.014


def garch_prices(tickers: int, sessions: int, seed: int, start: str = "2010-01-04") -> pd.DataFrame:
    """Return a long price frame of `tickers` × `sessions` rows on real XNYS sessions.

    Log returns follow a GARCH(1,1) with normal innovations; open, high and low are consistent
    with the closes, `adj_close` equals `close`, names are S00, S01 … The same arguments give
    the same prices.

    References:
        Bollerslev, T. (1986). Generalized autoregressive conditional heteroskedasticity.

    Example:
        >>> garch_prices(tickers=2, sessions=500, seed=1).shape
        (1000, 8)
    """
    rng = np.random.default_rng(seed)
    log_return = garch_returns(rng.standard_normal((sessions, tickers)))
    close = rng.uniform(20, 200, tickers) * np.exp(np.cumsum(log_return, axis=0))  # (S, U)
    overnight = 1 + 0.2 * _DAILY_VOLATILITY * rng.standard_normal((sessions, tickers))
    opening = np.vstack([close[:1], close[:-1]]) * overnight
    reach = 1 + 0.4 * _DAILY_VOLATILITY * np.abs(rng.standard_normal((2, sessions, tickers)))
    columns = {
        "open": opening,
        "high": np.maximum(opening, close) * reach[0],
        "low": np.minimum(opening, close) / reach[1],
        "close": close,
        "volume": np.round(1e6 * np.exp(0.3 * rng.standard_normal((sessions, tickers)))),
        "adj_close": close,
    }
    days = next_sessions("XNYS", pd.Timestamp(start) - pd.Timedelta(days=1), sessions)
    width = max(2, len(str(tickers - 1)))
    names = [f"S{number:0{width}d}" for number in range(tickers)]
    frame = pd.DataFrame(
        {"unique_id": np.repeat(names, sessions), "ds": np.tile(days.to_numpy(), tickers)}
    )
    return frame.assign(**{name: array.T.ravel() for name, array in columns.items()})


def garch_returns(noise: np.ndarray) -> np.ndarray:
    """Return log returns (S, U): r_t = σ_t z_t, σ²_t = ω + α r²_{t−1} + β σ²_{t−1}."""
    omega = _DAILY_VOLATILITY**2 * (1 - _ALPHA - _BETA)
    variance = np.full(noise.shape[1], _DAILY_VOLATILITY**2)
    log_return = np.empty_like(noise)
    for t, z in enumerate(noise):
        log_return[t] = np.sqrt(variance) * z
        variance = omega + _ALPHA * log_return[t] ** 2 + _BETA * variance
    return log_return
