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

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
