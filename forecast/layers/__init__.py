"""Recurrent layers one can look into.

The names load on first use: what needs no TensorFlow here, the quantile function, starts without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.layers.lstm import LSTM, plain_loop
    from forecast.layers.lstm_cell import ABLATIONS, ChronoBias, ConstantGateBias, LSTMCell
    from forecast.layers.monitor import Monitor, Reading

_HOME = {
    "ABLATIONS": "lstm_cell",
    "LSTM": "lstm",
    "ChronoBias": "lstm_cell",
    "ConstantGateBias": "lstm_cell",
    "LSTMCell": "lstm_cell",
    "Monitor": "monitor",
    "Reading": "monitor",
    "plain_loop": "lstm",
}

__all__ = [
    "ABLATIONS",
    "LSTM",
    "ChronoBias",
    "ConstantGateBias",
    "LSTMCell",
    "Monitor",
    "Reading",
    "plain_loop",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
