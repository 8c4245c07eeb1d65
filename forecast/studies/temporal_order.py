"""Temporal order: which of two symbols came first, told a hundred steps later."""

from typing import TYPE_CHECKING

import pandas as pd

from forecast.studies.cells import CELLS, look
from forecast.studies.study import Claim, Finding, Sizes, Study, Unit, verdict

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

#: Share of right classes of a network that has learned the order; training goes on to 1.
LEARNED = 0.99


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """One unit per length, cell and seed."""
    shared = {key: sizes[key] for key in ("units", "lr", "training_steps")}
    return [
        {"steps": steps, "cell": cell, "seed": seed, **shared}
        for steps in sizes["lengths"]
        for cell in CELLS
        for seed in seeds
    ]


def measure(unit: Unit) -> pd.DataFrame:
    """Cross entropy and share of right classes on fresh sequences, by training step."""
    import keras
    import numpy as np

    from forecast.studies.learning import Setup, learn, network, recurrent
    from forecast.studies.tasks import Batch, temporal_order

    keras.utils.set_random_seed(unit["seed"])

    def draw(rng: "np.random.Generator", count: int) -> Batch:
        return temporal_order(rng, count, unit["steps"])

    shares: list[float] = []

    def solved(prediction: "np.ndarray", y: "np.ndarray") -> bool:
        shares.append(float(np.mean(prediction.argmax(-1) == y)))
        return shares[-1] == 1

    options = {"horizon": unit["steps"]} if unit["cell"] == "chrono-lstm" else {}
    layer = recurrent(unit["cell"], unit["units"], unit["seed"], **options)
    head = keras.layers.Dense(4)
    model = network(layer, head, draw(np.random.default_rng(0), 2))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    setup = Setup(most_steps=unit["training_steps"], lr=unit["lr"])
    learned = learn(model, draw, setup, loss, unit["seed"], solved)
    return pd.DataFrame({"step": learned.checks, "cross_entropy": learned.losses, "right": shares})


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """The share of right classes at the end of training, by length and cell."""
    last = frame.sort_values("step").groupby(["steps", "cell", "seed"]).last()
    right = last["right"].groupby(["steps", "cell"]).agg(["min", "max"])
    T = max(frame["steps"])
    sequences = 32 * last.reset_index().groupby(["steps", "cell"])["step"].max()
    learned = {key: bool(low >= LEARNED) for key, low in right["min"].items()}
    told = ", ".join(
        f"{name} {right['min'][T, cell]:.0%}"
        + (f" (at most {sequences[T, cell]:,} sequences)" if learned[T, cell] else "")
        for cell, name in CELLS.items()
    )
    chance = bool(right["max"][T, "simple-rnn"] < 0.5)
    lengths = sorted(frame["steps"].unique())
    return {
        "order": Finding(
            f"right classes of the worst seed, {T} steps: {told}",
            verdict(learned[T, "lstm-1997"], learned[T, "chrono-lstm"], chance),
        ),
        "default": Finding(
            "right classes of the worst seed: "
            + ", ".join(
                f"{right['min'][steps, 'lstm']:.0%} over {steps} steps" for steps in lengths
            ),
            verdict(*(learned[steps, "lstm"] for steps in lengths)),
        ),
    }


def draw(frame: pd.DataFrame) -> "Figure":
    """Share of right classes against the sequences seen, a line per seed, by length."""
    from forecast.plots.style import REFERENCE, caption, key, legend_below, new_grid

    lengths = sorted(frame["steps"].unique())
    figure, [axes] = new_grid(1, len(lengths), row_height=3.4, sharey=True)
    for ax, steps in zip(axes, lengths, strict=True):
        for cell in CELLS:
            drawn = look(cell) | {"markersize": 3.5, "linewidth": 1.3}
            rows = frame[(frame["cell"] == cell) & (frame["steps"] == steps)]
            for _, run in rows.groupby("seed"):
                ax.plot(32 * run["step"] / 1000, 100 * run["right"], **drawn)
        ax.axhline(25, color=REFERENCE, linestyle=(0, (1, 1)))
        title = f"{steps} steps, told {steps // 2} after the last"
        caption(ax, title, "sequences seen (thousands)")
    axes[0].set_ylim(0, 103)
    axes[0].set_ylabel("right classes (%)", fontsize=9.5)
    handles = [key(name, **look(cell)) for cell, name in CELLS.items()]
    handles.append(key("guessing", color=REFERENCE, linestyle=(0, (1, 1))))
    legend_below(figure, handles)
    return figure


STUDY = Study(
    name="temporal-order",
    shows="Which of two symbols came first: told by a carousel that is not forgotten",
    task="Four classes by the order of X and Y in T to 1.1 T symbols, one within steps T/10 to "
    "T/5, the other within T/2 to 0.6 T; T is 50 and 100 (the paper's); 8 units, batches of 32 "
    "fresh sequences, at most 48,000, until 500 others are all told right",
    claims={
        "order": Claim(
            "An LSTM learns the order of two symbols more than 40 steps apart and 40 from the end; "
            "a simple recurrent network stays at chance",
            "all trials, after about 32,000 sequences; simple networks: none",
            "Hochreiter & Schmidhuber 1997, experiment 6a",
        ),
        "default": Claim(
            "So does today's LSTM, whose forget gate starts at σ(1) = 0.73",
            "the paper's LSTM had no forget gate: it kept all, f = 1",
            "Hochreiter & Schmidhuber 1997, experiment 6a",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full={"units": 8, "lengths": [50, 100], "lr": 0.01, "training_steps": 1500},
    quick={"lengths": [50], "training_steps": 600},
)
