"""A run folder → one self-contained HTML page."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.report.build import build_chart, build_report, write_report
    from forecast.report.charts.fans import fan_chart
    from forecast.report.charts.scores import calibration_chart, skill_chart
    from forecast.report.charts.training import (
        gate_chart,
        lag_chart,
        layer_chart,
        loss_chart,
        norm_chart,
    )

_HOME = {
    "build_chart": "build",
    "build_report": "build",
    "write_report": "build",
    "fan_chart": "charts.fans",
    "calibration_chart": "charts.scores",
    "skill_chart": "charts.scores",
    "gate_chart": "charts.training",
    "lag_chart": "charts.training",
    "layer_chart": "charts.training",
    "loss_chart": "charts.training",
    "norm_chart": "charts.training",
}

__all__ = [
    "build_chart",
    "build_report",
    "calibration_chart",
    "fan_chart",
    "gate_chart",
    "lag_chart",
    "layer_chart",
    "loss_chart",
    "norm_chart",
    "skill_chart",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
