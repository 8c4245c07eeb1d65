"""What is measured inside a network: pure quantities, when to measure, and who reports it."""

from forecast.telemetry.callback import GradientTelemetry
from forecast.telemetry.log import Alert
from forecast.telemetry.probe import Probe
from forecast.telemetry.sampling import SampledSteps

__all__ = ["Alert", "GradientTelemetry", "Probe", "SampledSteps"]
