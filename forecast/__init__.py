"""forecast: honest distribution forecasts of prices, with an LSTM made of glass.

Symbols, everywhere the same:

======  =====================================================================
N       windows, or forecast origins (cutoffs)
B       windows in a batch
T       lookback: sessions in a window
O       origins in a window: T minus the warm-up
F       features
H       horizons asked for; K horizons the network learns
Q       quantile levels
U       units of a recurrent layer; tickers of a panel
S       sessions of a panel
h, c    output and cell state of an LSTM; ``h_tm1, c_tm1`` of the step before
i f g o  gates: input, forget, candidate (c̃), output, in Keras's order
σ       volatility: standard deviation of the log return per session
======  =====================================================================

A level is a log price, a return a difference of levels, a lag a number of sessions before the
loss. Public names load when they are first used, so importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.evaluation.backtest import forecast_frame, make_cutoffs, walk_forward
    from forecast.evaluation.scorecard import Scorecard, make_scorecard
    from forecast.layers import LSTM, LSTMCell
    from forecast.models.network import build_network
    from forecast.prices import Panel, load_prices
    from forecast.report.reading import RunFolder
    from forecast.settings import Settings
    from forecast.telemetry import GradientTelemetry
    from forecast.training import NeuralForecaster
    from forecast.windows import window_arrays

__version__ = "0.1.0"

_HOME = {
    "LSTM": "layers",
    "LSTMCell": "layers",
    "build_network": "models.network",
    "Panel": "prices",
    "load_prices": "prices",
    "RunFolder": "report.reading",
    "Scorecard": "evaluation.scorecard",
    "forecast_frame": "evaluation.backtest",
    "make_cutoffs": "evaluation.backtest",
    "make_scorecard": "evaluation.scorecard",
    "walk_forward": "evaluation.backtest",
    "Settings": "settings",
    "GradientTelemetry": "telemetry",
    "NeuralForecaster": "training",
    "window_arrays": "windows",
}

__all__ = [
    "LSTM",
    "GradientTelemetry",
    "LSTMCell",
    "NeuralForecaster",
    "Panel",
    "RunFolder",
    "Scorecard",
    "Settings",
    "build_network",
    "forecast_frame",
    "load_prices",
    "make_cutoffs",
    "make_scorecard",
    "walk_forward",
    "window_arrays",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
