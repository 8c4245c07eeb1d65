"""Chrono initialisation: memories as long as the task, on copy memory."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.studies.study import Claim, Finding, Sizes, Study, Unit, Verdict
from forecast.studies.tasks import copy_baseline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELLS = ("lstm", "chrono-lstm")
LABELS = {"lstm": "forget bias 1", "chrono-lstm": "chrono: log U(1, T − 1)"}


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """Trainings on copy memory per cell and seed; horizons at start per cell, lag and seed."""
    shared = {key: sizes[key] for key in ("units", "lr", "batch_size", "most_steps", "check_every")}
    trainings: list[Unit] = [
        {"part": "training", "cell": cell, "lag": sizes["blanks"], "seed": seed, **shared}
        for cell in CELLS
        for seed in seeds
    ]
    fresh = [
        {"part": "fresh", "cell": cell, "lag": lag, "seed": seed, "units": sizes["units"]}
        for lag in sizes["lags"]
        for cell in CELLS
        for seed in seeds
    ]
    return trainings + fresh


def measure(unit: Unit) -> pd.DataFrame:
    """Loss by step of a training, or the memory horizon (steps) of a network before training."""
    return _train(unit) if unit["part"] == "training" else _horizon(unit)


def _train(unit: Unit) -> pd.DataFrame:
    import keras

    from forecast.studies.learning import Setup, learn, network, recurrent
    from forecast.studies.tasks import Batch, copy_memory

    def draw(rng: np.random.Generator, count: int) -> Batch:
        return copy_memory(rng, count, unit["lag"])

    options = {"horizon": unit["lag"]} if unit["cell"] == "chrono-lstm" else {}
    layer = recurrent(unit["cell"], unit["units"], unit["seed"], return_sequences=True, **options)
    head = keras.layers.Dense(10, kernel_initializer=keras.initializers.GlorotUniform(unit["seed"]))
    model = network(layer, head, draw(np.random.default_rng(0), 2))
    setup = Setup(
        **{key: unit[key] for key in ("lr", "batch_size", "most_steps", "check_every")}, checked=200
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learned = learn(model, draw, setup, loss, unit["seed"])
    return pd.DataFrame({"step": learned.checks, "value": learned.losses})


def _horizon(unit: Unit) -> pd.DataFrame:
    import keras

    from forecast.studies.adjoints import state_gradients
    from forecast.studies.learning import network, recurrent
    from forecast.studies.tasks import adding
    from forecast.telemetry.quantities import memory

    probe = adding(np.random.default_rng([unit["seed"], 2]), 16, unit["lag"])
    options = {"horizon": unit["lag"]} if unit["cell"] == "chrono-lstm" else {}
    layer = recurrent(unit["cell"], unit["units"], unit["seed"], **options)
    model = network(layer, keras.layers.Dense(1), probe)
    model.compile(loss="mse")
    by_lag = state_gradients(model, *probe)["c"][::-1]
    return pd.DataFrame({"step": [0], "value": [memory(by_lag).horizon_sessions]})


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """Losses are those at the end; a seed beats the baseline when it ends a tenth below it."""
    trained = frame[frame["part"] == "training"]
    T = int(trained["lag"].iloc[0])
    baseline = copy_baseline(T)
    last = trained.sort_values("step").groupby(["cell", "seed"])["value"].last()
    beats = {cell: (last[cell] < 0.9 * baseline) for cell in CELLS}
    told = {
        cell: f"{last[cell].mean():.3f} ({beats[cell].sum()} of {len(last[cell])} seeds a tenth "
        "below it)"
        for cell in CELLS
    }
    fresh = frame[frame["part"] == "fresh"].groupby(["cell", "lag"])["value"].mean()
    lags = fresh["lstm"].index
    grows = fresh["chrono-lstm"][lags[-1]] / fresh["chrono-lstm"][lags[0]]
    better = last["chrono-lstm"].mean() < last["lstm"].mean()
    copied: Verdict = "in part" if better else "not confirmed"
    if beats["chrono-lstm"].all() and not beats["lstm"].any():
        copied = "confirmed"
    return {
        "copy": Finding(
            f"T = {T}: baseline {baseline:.3f}; forget bias 1 ends at {told['lstm']}, "
            f"chrono at {told['chrono-lstm']}",
            copied,
        ),
        "horizon": Finding(
            "memory horizon of a fresh network: "
            + "; ".join(
                f"T = {lag}: {fresh['chrono-lstm'][lag]:.0f} steps, with forget bias 1 "
                f"{fresh['lstm'][lag]:.1f}"
                for lag in lags
            ),
            "confirmed" if grows > lags[-1] / lags[0] / 2 else "not confirmed",
        ),
    }


def draw(frame: pd.DataFrame) -> "Figure":
    """Loss by step beside its baseline; the horizon of a fresh network by T."""
    from matplotlib.ticker import LogLocator

    from forecast.plots.style import REFERENCE, caption, key, legend_below, new_grid
    from forecast.studies.cells import look as look_of

    figure, [[left, right]] = new_grid(1, 2, row_height=3.6)
    for cell in CELLS:
        look = look_of(cell) | {"marker": ""}
        rows = frame[frame["cell"] == cell]
        for _, run in rows[rows["part"] == "training"].groupby("seed"):
            left.plot(run["step"], run["value"], linewidth=1.2, **look)
        by_lag = rows[rows["part"] == "fresh"].groupby("lag")["value"].mean()
        right.plot(by_lag.index, by_lag, **look_of(cell))
    T = int(frame.loc[frame["part"] == "training", "lag"].iloc[0])
    line: dict[str, Any] = {"color": REFERENCE, "linestyle": "--", "linewidth": 1.2}
    left.axhline(copy_baseline(T), **line)
    lowest = frame.loc[frame["part"] == "training", "value"].min()
    left.set_ylim(min(0.9 * lowest, 0.8 * copy_baseline(T)), 1.3 * copy_baseline(T))
    lags = frame.loc[frame["part"] == "fresh", "lag"].unique()
    right.plot(lags, lags, **line)
    right.set(xscale="log", yscale="log")
    right.set_xticks(lags, [str(lag) for lag in lags])
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.yaxis.set_major_formatter("{x:g}")
    right.minorticks_off()
    caption(left, f"Copy memory, T = {T}", "training steps", "cross entropy (nats per step)")
    caption(right, "Memory before training", "T (steps)", "memory horizon (steps)")
    handles = [key(LABELS[cell], **look_of(cell)) for cell in CELLS]
    legend_below(figure, [*handles, key("remembers nothing (left), horizon = T (right)", **line)])
    return figure


STUDY = Study(
    name="chrono",
    shows="Forget gates that start with memories as long as the task learn what others do not",
    task=(
        "Copy memory: ten of eight letters, T − 1 blanks, a delimiter, ten blanks (Arjovsky et al. "
        "2016), 64 units; the horizon is fitted to ‖∂L/∂c‖ by lag before training"
    ),
    claims={
        "copy": Claim(
            "With chrono initialisation an LSTM beats the memoryless baseline, with forget bias 1 "
            "it does not",
            "10 ln 8/(T + 20) is beaten by chrono alone (about: T = 500 and 2000, 128 units)",
            "Tallec & Ollivier 2018",
        ),
        "horizon": Claim(
            "The memory of a chrono LSTM grows with the T it is made for",
            "b_f = log U(1, T − 1): memories from 1 to T",
            "Tallec & Ollivier 2018",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full={
        "blanks": 100,
        "lags": [25, 50, 100, 200, 400],
        "units": 64,
        "lr": 5e-3,
        "batch_size": 32,
        "most_steps": 3000,
        "check_every": 150,
    },
    quick={"blanks": 20, "lags": [10, 40], "units": 32, "most_steps": 800, "check_every": 100},
)
