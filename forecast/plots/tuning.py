"""What tuning found: trials as they came, and which settings mattered."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from forecast.counts import counted
from forecast.plots.style import REFERENCE, caption, color_of, key, legend_below, new_axes, require

_DONE = color_of("lstm")


def plot_trials(trials: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the validation CRPS of every trial and the best so far.

    `trials` has the columns ``trial, state, validation_crps``; those that came to no end are
    marked at the foot. Raises ValueError without a finished trial.
    """
    require(trials, ["trial", "state", "validation_crps"], "plot_trials")
    done = trials[trials["validation_crps"].notna()]
    require(done, ["trial"], "plot_trials")
    ax = new_axes(ax)
    value = done["validation_crps"].to_numpy(float)
    best = np.minimum.accumulate(value)
    ax.plot(done["trial"], value, "o", color=_DONE, markersize=5, alpha=0.7)
    ax.step(done["trial"], best, where="post", color=REFERENCE, linewidth=1.5)
    handles = [
        key("a trial", color=_DONE, marker="o", linestyle=""),
        key("the best so far", color=REFERENCE),
    ]
    # a few bad trials must not flatten the others
    low, high = value.min(), np.quantile(value, 0.9)
    margin = 0.1 * max(high - low, 1e-4)
    ax.set_ylim(low - margin, high + 3 * margin)
    rest = trials[trials["validation_crps"].isna()]["trial"]
    handles += _mark(ax, rest, "x", 0.02, "stopped early")
    handles += _mark(ax, done["trial"][value > high + 3 * margin], "^", 0.98, "above the scale")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    caption(
        ax,
        f"{counted(len(trials), 'trial')}: best validation CRPS {best[-1]:.5f}",
        "trial",
        "validation CRPS (volatilities)",
    )
    legend_below(ax, handles)
    return ax


def plot_importance(importance: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of the validation CRPS's variance that each setting explains, in per cent.

    `importance` has the columns ``setting, importance`` (shares).
    """
    require(importance, ["setting", "importance"], "plot_importance")
    rows = importance.sort_values("importance")
    ax = new_axes(ax, height=1.2 + 0.35 * len(rows))
    share = 100 * rows["importance"].to_numpy(float)
    bars = ax.barh(rows["setting"].str.replace("_", " "), share, color=_DONE, height=0.6)
    ax.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=9)
    ax.set_xlim(0, max(share.max() * 1.12, 1))
    ax.grid(False, axis="y")
    caption(ax, "Which settings mattered (functional ANOVA)", "share of the variance (%)")
    return ax


def _mark(ax: Axes, trials: pd.Series, marker: str, height: float, words: str) -> list[Line2D]:
    """Mark trials at a share of the height; return the key, nothing when there are none."""
    if not len(trials):
        return []
    look: dict[str, Any] = {
        "color": REFERENCE,
        "marker": marker,
        "linestyle": "",
        "markersize": 6,
    }
    y = np.full(len(trials), height)
    ax.plot(trials, y, transform=ax.get_xaxis_transform(), clip_on=False, **look)
    return [key(words, **look)]
