"""What a gate costs: parameters and time of a training step."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from forecast.studies.study import Claim, Finding, Sizes, Study, Unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Layers as Keras and `forecast train` compile them on a CPU, and Keras's LSTM compiled by XLA.
WHOLE = "keras-lstm compiled by XLA"
CELLS = ("simple-rnn", "gru", "keras-lstm", "lstm", WHOLE)


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """One unit per cell, width and seed."""
    shared = {key: sizes[key] for key in ("steps", "features", "batch_size", "repeats")}
    return [
        {"cell": cell, "units": units, "seed": seed, **shared}
        for units in sizes["units"]
        for cell in CELLS
        for seed in seeds
    ]


def measure(unit: Unit) -> pd.DataFrame:
    """Parameters of the layer, and the median time of a training step on one core."""
    import time

    import keras
    import numpy as np

    from forecast.studies.learning import recurrent

    keras.utils.set_random_seed(unit["seed"])
    shape = (unit["batch_size"], unit["steps"], unit["features"])
    x = np.random.default_rng(unit["seed"]).normal(size=shape).astype("float32")
    whole = unit["cell"] == WHOLE
    layer = recurrent("keras-lstm" if whole else unit["cell"], unit["units"], unit["seed"])
    inputs = keras.Input(shape[1:])
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    model.compile(optimizer="adam", loss="mse", jit_compile=whole)
    y = x[:, -1, :1]
    durations = []
    for _ in range(unit["repeats"] + 2):
        started = time.perf_counter()
        model.train_on_batch(x, y)
        durations.append(time.perf_counter() - started)
    return pd.DataFrame(
        {"params": [layer.count_params()], "step_ms": [1000 * float(np.median(durations[2:]))]}
    )


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """Parameters exactly, times as medians over seeds at the largest width."""
    wide = frame[frame["units"] == frame["units"].max()]
    by_cell = wide.groupby("cell").median(numeric_only=True)
    params = by_cell["params"] / by_cell["params"]["simple-rnn"]
    times = by_cell["step_ms"] / by_cell["step_ms"]["simple-rnn"]
    ours = by_cell["step_ms"]["lstm"] / by_cell["step_ms"]
    U = int(wide["units"].iloc[0])
    return {
        "parameters": Finding(
            f"LSTM {params['lstm']:.2f} times, GRU {params['gru']:.2f} times (U = {U})",
            "confirmed" if params["lstm"] == 4 else "not confirmed",
        ),
        "time": Finding(
            f"Keras's LSTM {times['keras-lstm']:.1f} times a SimpleRNN's step; ours "
            f"{ours['keras-lstm']:.2f} of Keras's, {ours[WHOLE]:.2f} of Keras's compiled by XLA "
            f"(U = {U}, one core)",
            "confirmed" if times["keras-lstm"] <= 4 else "not confirmed",
        ),
    }


def draw(frame: pd.DataFrame) -> "Figure":
    """Parameters and time of a step against the width."""
    from matplotlib.ticker import LogLocator

    from forecast.plots.style import caption, key, legend_below, new_grid

    figure, [axes] = new_grid(1, 2, row_height=3.4)
    mean = frame.groupby(["cell", "units"], as_index=False)[["params", "step_ms"]].median()
    for cell in CELLS:
        rows = mean[mean["cell"] == cell]
        for ax, column in zip(axes, ("params", "step_ms"), strict=True):
            ax.plot(rows["units"], rows[column], **_look(cell))
    widths = sorted(frame["units"].unique())
    for ax in axes:
        ax.set(xscale="log", yscale="log")
        ax.set_xticks(widths, [str(width) for width in widths])
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
    T, N = frame["steps"].iloc[0], frame["batch_size"].iloc[0]
    caption(axes[0], "Parameters of the layer", "units", "parameters")
    caption(axes[1], f"A training step, {N} sequences of {T} steps", "units", "ms (one core)")
    legend_below(figure, [key(cell, **_look(cell)) for cell in CELLS])
    return figure


def _look(cell: str) -> dict[str, Any]:
    from forecast.plots.style import look_of

    if cell == WHOLE:
        return look_of("keras-lstm") | {"linestyle": ":", "marker": "x"}
    return look_of(cell)


FULL: dict[str, Any] = {
    "units": [8, 16, 32, 64, 128],
    "steps": 100,
    "features": 8,
    "batch_size": 32,
    "repeats": 20,
}

STUDY = Study(
    name="cost",
    shows="What the gates cost: parameters and time of a training step, by width",
    task="One recurrent layer and a dense head on random sequences, 100 steps of 8 features; "
    "compiled as Keras does it on a CPU unless asked otherwise: without XLA",
    claims={
        "parameters": Claim(
            "An LSTM has four times the parameters of a simple recurrent network",
            "4 times: three gates and the candidate",
            "Hochreiter & Schmidhuber 1997, Gers et al. 2000",
        ),
        "time": Claim(
            "An LSTM's step costs at most about four times a simple network's",
            "O(1) per weight and step, as for a simple network",
            "Hochreiter & Schmidhuber 1997",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full=FULL,
    quick={"units": [8, 32], "repeats": 5},
    alone=True,
    version=2,
)
