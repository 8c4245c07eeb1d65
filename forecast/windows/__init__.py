"""Panel → tensors: causal features, scaled targets, splits, windows by index."""

from forecast.windows.features import BURN_IN, causal_features, ewma_volatility, log_returns
from forecast.windows.solo import add_solo
from forecast.windows.splits import Splits, drop_short_tickers, make_splits
from forecast.windows.windows import Batch, WindowArrays, Windows, build_windows, window_arrays

__all__ = [
    "BURN_IN",
    "Batch",
    "Splits",
    "WindowArrays",
    "Windows",
    "add_solo",
    "build_windows",
    "causal_features",
    "drop_short_tickers",
    "ewma_volatility",
    "log_returns",
    "make_splits",
    "window_arrays",
]
