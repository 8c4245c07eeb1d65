"""What was found inside the networks of a run, in plain sentences."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from forecast.counts import counted
from forecast.jobs.verdicts import alike


def say(frames: dict[str, pd.DataFrame], view: Any, scale: str) -> list[str]:
    """Sentences on the fall, the forget gate, the reach of the gradient and the inputs."""
    low = view.low_day
    size = f"{-100 * np.expm1(view.fall):.0f} %" if scale == "log" else f"{-view.fall:.2f}"
    lines = [f"{view.ticker} fell by {size} within 20 sessions, to {low:%Y-%m-%d}."]
    u = view.windows.tickers.index(view.ticker)
    volatility = pd.Series(view.windows.volatility[u, view.places], view.days)
    found: dict[str, list[str]] = {}
    for cell, gates in by_model(frames, "gates"):
        said = forget_gate(gates[gates["when"] == "trained"], volatility, low)
        found.setdefault(cell, []).append(said)
    for cell, gradients in by_model(frames, "gradients"):
        said = reach(gradients, view.windows.settings.lookback)
        found.setdefault(cell, []).append(said)
    for cell, parts in by_model(frames, "attribution"):
        found.setdefault(cell, []).append(inputs(parts[parts["when"] == "trained"]))
    return lines + _joined(found)


def _joined(found: dict[str, list[str]]) -> list[str]:
    """Sentences with the networks they are said of before them."""
    return [f"{names}: {line}" for names, lines in alike(found) for line in lines]


def by_model(frames: dict[str, pd.DataFrame], name: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of every model in a frame; of none when there is no such frame."""
    if name in frames:
        for model, rows in frames[name].groupby("model", sort=False):
            yield str(model), rows


def forget_gate(gates: pd.DataFrame, volatility: pd.Series, low: pd.Timestamp) -> str:
    """How the mean forget gate moved with the volatility and around the low."""
    mean = gates[gates["gate"] == "forget"].groupby("ds")["value"].mean()
    calm = mean[volatility.reindex(mean.index) <= volatility.median()].mean()
    distance = np.abs(np.arange(len(mean)) - mean.index.searchsorted(low))
    near = mean[distance <= 5].mean()
    tied = mean.corr(volatility.reindex(mean.index), method="spearman")
    return (
        f"the mean forget gate was {near:.3f} around that session, {calm:.3f} on the "
        f"calmer half of the sessions: a unit kept for {1 / (1 - near):.1f} sessions against "
        f"{1 / (1 - calm):.1f}; rank correlation with the volatility {tied:+.2f}."
    )


def reach(gradients: pd.DataFrame, lookback: int) -> str:
    """How far back the gradient reaches, before and after training."""
    memory = gradients[gradients["quantity"] == "memory_sessions"].set_index("when")["value"]
    before, after = (
        f"{memory[when]:.1f}" if np.isfinite(memory[when]) else "all"
        for when in ("untrained", "trained")
    )
    return (
        f"the gradient falls to 1/e within {after} of {counted(lookback, 'session')} ({before} "
        "before training)."
    )


def inputs(parts: pd.DataFrame) -> str:
    """Which sessions and features set the width of the forecast."""
    h = parts["horizon_sessions"].iloc[0]
    by_lag = parts.groupby("lag_sessions")["value"].sum()
    share = by_lag.cumsum() / by_lag.sum()
    half = int((share >= 0.5).to_numpy().argmax()) + 1
    best = parts.groupby("feature")["value"].sum().sort_values(ascending=False)
    named = ", ".join(
        f"{name} {100 * value / best.sum():.0f} %" for name, value in best[:3].items()
    )
    return (
        f"half of what sets the width of the {h}-session forecast lies in the last "
        f"{counted(half, 'session')}; most of it comes from {named} (integrated gradients, "
        "Sundararajan et al. 2017)."
    )


def of_training(telemetry: pd.DataFrame) -> list[str]:
    """What telemetry saw in training: memory before and after, and every alert's kind."""
    found: dict[str, list[str]] = {}
    for model, rows in telemetry.groupby("model", sort=False):
        lines = found.setdefault(str(model), [])
        memory = rows[rows["quantity"] == "memory_sessions"].groupby("epoch")["value"].mean()
        if len(memory) > 1:
            lines.append(
                f"in training the memory went from {memory.iloc[0]:.1f} to "
                f"{memory.iloc[-1]:.1f} sessions (on validation windows of all tickers)."
            )
        kinds = rows.loc[rows["quantity"].str.startswith("alert: "), "quantity"].unique()
        if len(kinds):
            said = ", ".join(kind.removeprefix("alert: ") for kind in kinds)
            lines.append(f"alerts in training: {said} (their words are in metrics.json).")
    return _joined(found)
