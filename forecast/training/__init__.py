"""Fit, save and load: the network as a Forecaster."""

from forecast.training.callbacks import ProgressReport
from forecast.training.ensemble import Ensemble
from forecast.training.forecaster import NeuralForecaster

__all__ = ["Ensemble", "NeuralForecaster", "ProgressReport"]
