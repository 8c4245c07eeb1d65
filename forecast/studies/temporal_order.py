"""Temporal order: which of two symbols came first, told a hundred steps later."""

from typing import TYPE_CHECKING

import pandas as pd

from forecast.studies.cells import CELLS, look
from forecast.studies.study import Claim, Finding, Sizes, Study, Unit, verdict

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """One unit per cell and seed."""
    return [{"cell": cell, "seed": seed, **sizes} for cell in CELLS for seed in seeds]


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
    """The share of right classes at the end of training, by cell."""
    last = frame.sort_values("step").groupby(["cell", "seed"]).last()
    right = last["right"].groupby("cell").agg(["min", "max"])
    steps = last.reset_index().groupby("cell")["step"].max()
    learned = {cell: bool(right["min"][cell] == 1) for cell in CELLS}
    rnn = bool(right["max"]["simple-rnn"] < 0.5)
    told = ", ".join(
        f"{CELLS[cell]} {right['min'][cell]:.0%}"
        + (f" (at most {32 * steps[cell]:,} sequences)" if learned[cell] else "")
        for cell in CELLS
    )
    return {
        "order": Finding(
            f"right classes of the worst seed: {told}", verdict(learned["no_forget_gate"], rnn)
        ),
        "default": Finding(
            f"right classes of the worst seed: {right['min']['lstm']:.0%}", verdict(learned["lstm"])
        ),
    }


def draw(frame: pd.DataFrame) -> "Figure":
    """Share of right classes against the sequences seen, a line per seed."""
    from forecast.plots.style import REFERENCE, caption, key, legend_below, new_grid

    figure, [[ax]] = new_grid(1, 1, row_height=3.6)
    for cell in CELLS:
        drawn = look(cell) | {"markersize": 3.5, "linewidth": 1.3}
        for _, rows in frame[frame["cell"] == cell].groupby("seed"):
            ax.plot(32 * rows["step"] / 1000, 100 * rows["right"], **drawn)
    ax.axhline(25, color=REFERENCE, linestyle=(0, (1, 1)))
    ax.set_ylim(0, 103)
    T = frame["steps"].iloc[0]
    title = f"The order of two symbols, told {T // 2} steps and more after the second"
    caption(ax, title, "sequences seen (thousands)", "right classes (%)")
    handles = [key(name, **look(cell)) for cell, name in CELLS.items()]
    handles.append(key("guessing", color=REFERENCE, linestyle=(0, (1, 1))))
    legend_below(figure, handles)
    return figure


STUDY = Study(
    name="temporal-order",
    shows="Which of two symbols came first: told by a carousel that is not forgotten",
    task="Four classes by the order of X and Y in 100 to 110 symbols, one within steps 10 to 20, "
    "the other within 50 to 60; 8 units, batches of 32 fresh sequences, until 500 others are all "
    "told right",
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
    full={"units": 8, "steps": 100, "lr": 0.01, "training_steps": 2000},
    quick={"steps": 50, "training_steps": 600},
)
