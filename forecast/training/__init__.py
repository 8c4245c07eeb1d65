"""Fit, save and load: the network as a Forecaster."""

from forecast.training.callbacks import ProgressReport
from forecast.training.forecaster import Ensemble, NeuralForecaster

__all__ = ["Ensemble", "NeuralForecaster", "ProgressReport"]
