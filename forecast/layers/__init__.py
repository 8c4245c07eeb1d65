"""Recurrent layers one can look into."""

from forecast.layers.lstm import LSTM
from forecast.layers.lstm_cell import ABLATIONS, LSTMCell

__all__ = ["ABLATIONS", "LSTM", "LSTMCell"]
