"""What is measured inside a network: pure quantities, the tap, and callbacks that report."""

from forecast.telemetry.callback import GradientTelemetry, Probe

__all__ = ["GradientTelemetry", "Probe"]
