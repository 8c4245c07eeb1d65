"""How good the forecasts were: reliability, skill by horizon, PIT histograms."""

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecast.counts import ahead
from forecast.plots.style import (
    OBSERVED,
    REFERENCE,
    caption,
    color_of,
    key,
    legend_below,
    look_of,
    names,
    new_grid,
    plain,
    require,
    shade,
)

_CALIBRATION = ["model", "h", "level", "observed"]


def plot_reliability(calibration: pd.DataFrame) -> Figure:
    """Draw the observed share of outcomes below each quantile, and its distance from the level.

    `calibration` has the columns ``model, h, level, observed``, both shares in 0 … 1. One column
    of panels per horizon. Raises ValueError for a frame without rows or columns.
    """
    require(calibration, _CALIBRATION, "plot_reliability")
    horizons = sorted(calibration["h"].unique())
    models = names(calibration["model"])
    figure, grid = new_grid(
        2, len(horizons), row_height=2.6, sharex=True, sharey="row", height_ratios=[1.5, 1]
    )
    for column, h in enumerate(horizons):
        curve, distance = grid[0][column], grid[1][column]
        curve.plot([0, 100], [0, 100], color=REFERENCE, linewidth=1, label="_diagonal")
        distance.axhline(0, color=REFERENCE, linewidth=1)
        for index, model in enumerate(models):
            rows = calibration[(calibration["h"] == h) & (calibration["model"] == model)]
            rows = rows.sort_values("level")
            level, observed = 100 * rows["level"], 100 * rows["observed"]
            every = max(1, len(rows) // 8)
            look = look_of(model) | {
                "linewidth": 1.3,
                "markersize": 4,
                "markevery": (index * every // len(models), every),
            }
            curve.plot(level, observed, **look)
            distance.plot(level, observed - level, **look)
        caption(curve, title=ahead(h), y="" if column else "outcomes below it (%)")
        caption(distance, x="quantile level (%)", y="" if column else "difference (points)")
    figure.suptitle("Reliability: how often the outcome fell below each quantile", fontsize=11)
    legend_below(figure, [key(plain(model), **look_of(model)) for model in models])
    return figure


def plot_skill(skill: pd.DataFrame) -> Figure:
    """Draw the CRPS skill in per cent by horizon, one panel per baseline.

    `skill` has the columns ``model, baseline, h, crps_skill, p_value, verdict``; skill is a
    share (0.01 = 1 % less CRPS than the baseline). A filled marker is "better" or "worse", a
    hollow one "not distinguishable"; ``ci_low, ci_high`` (shares) become error bars when they
    are there. Raises ValueError for a frame without rows or columns.
    """
    require(skill, ["model", "baseline", "h", "crps_skill", "p_value", "verdict"], "plot_skill")
    skill = skill[skill["model"] != skill["baseline"]]
    baselines, models = names(skill["baseline"]), names(skill["model"])
    if not baselines:
        raise ValueError("plot_skill needs a row where the model is not its own baseline")
    columns = min(3, len(baselines))
    rows = -(-len(baselines) // columns)
    figure, grid = new_grid(rows, columns, row_height=2.9, sharey=True)
    panels = [ax for row in grid for ax in row]
    horizons = sorted(skill["h"].unique())
    for ax, baseline in zip(panels, baselines, strict=False):
        _draw_skill(ax, skill[skill["baseline"] == baseline], models, horizons)
        caption(ax, title=f"against {plain(baseline)}", x="horizon (sessions)")
    for ax in panels[len(baselines) :]:
        ax.remove()
    for row in grid:
        row[0].set_ylabel("CRPS skill (%)", fontsize=9.5)
    figure.suptitle("Skill by horizon: above zero is better than the baseline", fontsize=11)
    handles: list[Artist] = [key(plain(m), **look_of(m) | {"linestyle": ""}) for m in models]
    hollow = {"linestyle": "", "marker": "o", "color": REFERENCE, "markerfacecolor": "white"}
    handles.append(key("hollow: not distinguishable", **hollow))
    legend_below(figure, handles)
    return figure


def plot_pit(calibration: pd.DataFrame) -> Figure:
    """Draw the histogram of the probability integral transform per model (row) and horizon.

    `calibration` as in `plot_reliability`: the share of outcomes between two quantile levels,
    over the share there should be. Flat at 1 is calibrated; a hump means bands too wide, a bowl
    too narrow (Diebold, Gunther and Tay, 1998). Where there is a share ``observed_conformal`` it
    is drawn as a line on top. Raises ValueError for a frame without rows.
    """
    require(calibration, _CALIBRATION, "plot_pit")
    horizons = sorted(calibration["h"].unique())
    models = names(calibration["model"])
    figure, grid = new_grid(len(models), len(horizons), row_height=1.5, sharex=True, sharey=True)
    adjusted = False
    for model, row in zip(models, grid, strict=True):
        for h, ax in zip(horizons, row, strict=True):
            rows = calibration[(calibration["model"] == model) & (calibration["h"] == h)]
            adjusted |= _draw_pit(ax, rows, color_of(model))
        row[0].set_title(plain(model), loc="left", fontsize=10.5)
        row[0].set_ylabel("density", fontsize=9.5)
    for h, top, bottom in zip(horizons, grid[0], grid[-1], strict=True):
        top.set_title(ahead(h), loc="right", fontsize=10.5)
        bottom.set_xlabel("PIT (quantile level)", fontsize=9.5)
    figure.suptitle(
        "PIT: where in the forecast distribution the outcomes fell (calibrated: flat at 1)",
        fontsize=11,
    )
    if adjusted:
        handles = [
            key("as forecast", color=shade(REFERENCE, 0.5), linewidth=7),
            key("after the conformal adjustment", color=OBSERVED, linewidth=1.2),
        ]
        legend_below(figure, handles)
    return figure


def _draw_pit(ax: Axes, rows: pd.DataFrame, color: str) -> bool:
    """Draw one histogram; whether there was an adjusted one to draw on top."""
    level = rows["level"].to_numpy()
    edges, density = pit_density(level, rows["observed"].to_numpy())
    if len(density) > 1:  # one bin says nothing: it is always 1
        ax.stairs(density, edges, fill=True, facecolor=shade(color, 0.5), edgecolor=color)
    ax.axhline(1, color=REFERENCE, linewidth=1, linestyle="--")
    if "observed_conformal" not in rows:
        return False
    edges, density = pit_density(level, rows["observed_conformal"].to_numpy())
    if len(density) > 1:
        ax.stairs(density, edges, color=OBSERVED, linewidth=1.2, baseline=None)
    return len(density) > 1


def pit_density(level: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return bin edges (B + 1,) in 0 … 1 and the density of outcomes in each bin (B,).

    The bins are tenths when every tenth is among the levels, else they lie between the levels.
    """
    good = np.isfinite(observed)
    order = np.argsort(level[good])
    level = np.concatenate([[0.0], np.round(level[good][order], 9), [1.0]])
    share = np.concatenate([[0.0], observed[good][order], [1.0]])
    tenths = np.isin(level, np.round(np.arange(11) / 10, 9))
    if tenths.sum() == 11:
        level, share = level[tenths], share[tenths]
    return level, np.diff(share) / np.diff(level)


def _draw_skill(ax: Axes, skill: pd.DataFrame, models: list[str], horizons: list[int]) -> None:
    ax.axhline(0, color=REFERENCE, linewidth=1)
    step = 0.7 / len(models)
    for index, model in enumerate(models):
        color, marker = color_of(model), look_of(model)["marker"]
        for row in skill[skill["model"] == model].to_dict("records"):
            x = horizons.index(row["h"]) + (index - (len(models) - 1) / 2) * step
            y = 100 * row["crps_skill"]
            low, high = 100 * row.get("ci_low", np.nan), 100 * row.get("ci_high", np.nan)
            if np.isfinite([low, high]).all():
                ax.vlines(x, low, high, color=color, linewidth=1.2)
            fill = color if row["verdict"] in {"better", "worse"} else "white"
            ax.plot(x, y, marker, color=color, markerfacecolor=fill, markersize=6)
    ax.set_xticks(range(len(horizons)), [str(h) for h in horizons])
    ax.set_xlim(-0.5, len(horizons) - 0.5)
    ax.grid(visible=False, axis="x")
