"""Recurrent layers one can look into."""

from forecast.layers.lstm import LSTM, plain_loop
from forecast.layers.lstm_cell import ABLATIONS, ChronoBias, ConstantGateBias, LSTMCell
from forecast.layers.monitor import Monitor, Reading

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
