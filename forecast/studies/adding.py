"""The adding problem of 1997: two numbers kept for a hundred steps, and how exactly."""

from typing import TYPE_CHECKING

import pandas as pd

from forecast.studies.cells import CELLS, look
from forecast.studies.study import Claim, Finding, Sizes, Study, Unit, verdict

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

#: A sequence is right when its error is below this (Hochreiter & Schmidhuber 1997).
TOLERANCE = 0.04


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """One unit per cell and seed."""
    return [{"cell": cell, "seed": seed, **sizes} for cell in CELLS for seed in seeds]


def measure(unit: Unit) -> pd.DataFrame:
    """Errors on 500 sequences never trained on, by training step."""
    import keras
    import numpy as np

    from forecast.studies.learning import Setup, learn, network, recurrent
    from forecast.studies.tasks import Batch, adding_1997

    keras.utils.set_random_seed(unit["seed"])

    def draw(rng: "np.random.Generator", count: int) -> Batch:
        return adding_1997(rng, count, unit["steps"])

    errors: list[np.ndarray] = []

    def solved(prediction: "np.ndarray", y: "np.ndarray") -> bool:
        errors.append(np.abs(prediction - y))
        return bool(np.mean(errors[-1] < TOLERANCE) >= unit["enough"])

    options = {"horizon": unit["steps"]} if unit["cell"] == "chrono-lstm" else {}
    layer = recurrent(unit["cell"], unit["units"], unit["seed"], **options)
    model = network(layer, keras.layers.Dense(1), draw(np.random.default_rng(0), 500))
    setup = Setup(most_steps=unit["training_steps"], lr=unit["lr"])
    learned = learn(model, draw, setup, "mse", unit["seed"], solved)
    return pd.DataFrame(
        {
            "step": learned.checks,
            "mse": learned.losses,
            "absolute_error": [error.mean() for error in errors],
            "right": [np.mean(error < TOLERANCE) for error in errors],
        }
    )


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """Mean absolute error at the end of training, worst seed and best."""
    last = frame.sort_values("step").groupby(["cell", "seed"]).last()
    error = last["absolute_error"].groupby("cell").agg(["min", "max"])
    right = last["right"].groupby("cell").mean()
    told = ", ".join(
        f"{name} {error['max'][cell]:.3f} ({right[cell]:.0%} within {TOLERANCE})"
        for cell, name in CELLS.items()
    )
    kept = [bool(error["max"][cell] < TOLERANCE) for cell in ("lstm-1997", "chrono-lstm")]
    rnn_fails = bool(error["min"]["simple-rnn"] >= TOLERANCE)
    return {
        "kept": Finding(
            f"mean absolute error of the worst seed: {told}", verdict(*kept, rnn_fails)
        ),
        "default": Finding(
            f"mean absolute error {error['min']['lstm']:.3f} to {error['max']['lstm']:.3f}",
            verdict(bool(error["max"]["lstm"] < TOLERANCE)),
        ),
    }


def draw(frame: pd.DataFrame) -> "Figure":
    """Mean absolute error against the sequences seen, a line per seed."""
    from matplotlib.ticker import LogLocator

    from forecast.plots.style import REFERENCE, caption, key, legend_below, new_grid

    figure, [[ax]] = new_grid(1, 1, row_height=3.6)
    for cell in CELLS:
        drawn = look(cell) | {"marker": "", "linewidth": 1.4}
        for _, rows in frame[frame["cell"] == cell].groupby("seed"):
            ax.plot(32 * rows["step"] / 1000, rows["absolute_error"], **drawn)
    ax.axhline(TOLERANCE, color=REFERENCE, linestyle=(0, (1, 1)))
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    T = frame["steps"].iloc[0]
    title = f"Adding two numbers out of {T} to {T + T // 10}, a line per seed"
    caption(ax, title, "sequences seen (thousands)", "mean absolute error")
    handles = [key(name, **look(cell) | {"marker": ""}) for cell, name in CELLS.items()]
    handles.append(key(f"{TOLERANCE}: right", color=REFERENCE, linestyle=(0, (1, 1))))
    legend_below(figure, handles)
    return figure


STUDY = Study(
    name="adding",
    shows="Who keeps two numbers over a hundred steps, and what the forget gate has to do with it",
    task="The adding problem of 1997, T = 100: lengths 100 to 110, values from U[−1, 1], the first "
    "mark among the first ten steps, the second before T/2 − 1; 32 units, batches of 32 fresh "
    "sequences",
    claims={
        "kept": Claim(
            "An LSTM adds two numbers a hundred steps back with an error below 0.04, a simple "
            "recurrent network does not",
            "T = 100: all but about 1 of 2,560 within 0.04 after about 74,000 sequences",
            "Hochreiter & Schmidhuber 1997, experiment 4",
        ),
        "default": Claim(
            "So does today's LSTM, whose forget gate starts at σ(1) = 0.73",
            "the paper's LSTM had no forget gate: it kept all, f = 1",
            "Hochreiter & Schmidhuber 1997, experiment 4",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full={"units": 32, "steps": 100, "lr": 0.005, "training_steps": 2400, "enough": 0.99},
    quick={"steps": 50, "lr": 0.01, "training_steps": 700},
)
