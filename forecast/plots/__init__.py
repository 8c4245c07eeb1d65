"""A frame in, matplotlib axes out: fan charts, training curves, scores.

The names load on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.plots.fans import plot_fan, plot_fans
    from forecast.plots.inside import plot_attribution, plot_gates, plot_memory
    from forecast.plots.scores import plot_pit, plot_reliability, plot_skill
    from forecast.plots.style import color_of, save
    from forecast.plots.training import plot_gradient_by_lag, plot_gradient_norms, plot_loss
    from forecast.plots.tuning import plot_importance, plot_trials

_HOME = {
    "color_of": "style",
    "plot_fan": "fans",
    "plot_fans": "fans",
    "plot_attribution": "inside",
    "plot_gates": "inside",
    "plot_gradient_by_lag": "training",
    "plot_gradient_norms": "training",
    "plot_importance": "tuning",
    "plot_loss": "training",
    "plot_memory": "inside",
    "plot_pit": "scores",
    "plot_reliability": "scores",
    "plot_skill": "scores",
    "plot_trials": "tuning",
    "save": "style",
}

__all__ = [
    "color_of",
    "plot_attribution",
    "plot_fan",
    "plot_fans",
    "plot_gates",
    "plot_gradient_by_lag",
    "plot_gradient_norms",
    "plot_importance",
    "plot_loss",
    "plot_memory",
    "plot_pit",
    "plot_reliability",
    "plot_skill",
    "plot_trials",
    "save",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
