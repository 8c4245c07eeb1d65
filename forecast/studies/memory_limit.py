"""Where the context ends: the adding problem, longer and longer."""

from typing import TYPE_CHECKING

import pandas as pd

from forecast.studies.cells import CELLS, look
from forecast.studies.study import Claim, Finding, Sizes, Study, Unit, verdict

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

COMPARED = ("simple-rnn", "gru", "lstm", "chrono-lstm")
#: Solved below this mean squared error; predicting the mean has 1/6.
SOLVED = 0.01
#: The length of the published curve that claims are made of.
PUBLISHED_STEPS = 150


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """One unit per length, cell and seed, the longest first: they take longest."""
    shared = {key: sizes[key] for key in ("units", "lr", "training_steps")}
    return [
        {"steps": steps, "cell": cell, "seed": seed, **shared}
        for steps in sorted(sizes["lengths"], reverse=True)
        for cell in COMPARED
        for seed in seeds
    ]


def measure(unit: Unit) -> pd.DataFrame:
    """Mean squared error on 500 sequences never trained on, when solved or at the end."""
    import keras
    import numpy as np

    from forecast.studies.learning import Setup, learn, recurrent
    from forecast.studies.tasks import Batch, adding

    keras.utils.set_random_seed(unit["seed"])

    def draw(rng: "np.random.Generator", count: int) -> Batch:
        return adding(rng, count, unit["steps"])

    def solved(prediction: "np.ndarray", y: "np.ndarray") -> bool:
        return bool(np.mean((prediction - y) ** 2) < SOLVED)

    options = {"horizon": unit["steps"]} if unit["cell"] == "chrono-lstm" else {}
    layer = recurrent(unit["cell"], unit["units"], unit["seed"], **options)
    x = keras.Input((unit["steps"], 2))  # no mask: a sequence may end in an unmarked zero
    model = keras.Model(x, keras.layers.Dense(1)(layer(x)))
    setup = Setup(most_steps=unit["training_steps"], lr=unit["lr"])
    learned = learn(model, draw, setup, "mse", unit["seed"], solved)
    return pd.DataFrame(
        {
            "mse": [learned.losses[-1]],
            "solved": [learned.solved],
            "sequences": [learned.steps * setup.batch_size],
        }
    )


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """The longest sequences that every seed solves, and the errors at the published length."""
    longest = {cell: _longest(frame[frame["cell"] == cell]) for cell in COMPARED}
    told = ", ".join(f"{CELLS[cell]} {steps or 'none'}" for cell, steps in longest.items())
    gated = min(longest["lstm"], longest["gru"])
    most, limit = longest["chrono-lstm"], int(frame["steps"].max())
    near = int(min(frame["steps"].unique(), key=lambda steps: abs(steps - PUBLISHED_STEPS)))
    error = frame[frame["steps"] == near].groupby("cell")["mse"].agg(["min", "max"])
    held = [bool(error["max"]["lstm"] < 0.05), bool(error["min"]["simple-rnn"] > 0.1)]
    return {
        "limit": Finding(
            f"longest sequences solved by every seed, of {limit} tried: {told}",
            verdict(longest["simple-rnn"] < gated, gated < limit),
        ),
        "chrono": Finding(
            f"{most or 'none'} steps against {longest['lstm'] or 'none'}",
            verdict(most > longest["lstm"]),
        ),
        "published": Finding(
            f"T = {near}, mean squared error of the worst seed: LSTM {error['max']['lstm']:.4f}, "
            f"GRU {error['max']['gru']:.4f}, chrono {error['max']['chrono-lstm']:.4f}; best seed "
            f"of SimpleRNN {error['min']['simple-rnn']:.3f}",
            verdict(*held),
        ),
    }


def _longest(rows: pd.DataFrame) -> int:
    """The longest of the lengths up to which all were solved by every seed; 0 for none."""
    solved = rows.groupby("steps")["solved"].all().sort_index()
    return max(solved.index[solved.cummin().astype(bool)], default=0)


def draw(frame: pd.DataFrame) -> "Figure":
    """Error against length, and the sequences it took to learn."""
    from forecast.plots.style import REFERENCE, caption, key, legend_below, new_grid
    from forecast.studies.tasks import ADDING_BASELINE

    figure, [[error, effort]] = new_grid(1, 2, row_height=3.6)
    for cell in COMPARED:
        rows = frame[frame["cell"] == cell]
        drawn = look(cell)
        median = rows.groupby("steps")["mse"].median()
        error.plot(median.index, median, **drawn)
        error.plot(rows["steps"], rows["mse"], **drawn | {"linestyle": "", "alpha": 0.4})
        learned = rows[rows["solved"]].groupby("steps")["sequences"].median() / 1000
        effort.plot(learned.index, learned, **drawn)
    error.axhline(ADDING_BASELINE, color=REFERENCE, linestyle=(0, (1, 1)))
    error.set_yscale("log")
    for ax in (error, effort):
        ax.set_xscale("log")
        lengths = sorted(frame["steps"].unique())
        ax.set_xticks(lengths, [str(steps) for steps in lengths])
        ax.minorticks_off()
    effort.set_ylim(bottom=0)
    steps = "steps in a sequence"
    caption(error, "Median over seeds; pale: each seed", steps, "mean squared error")
    title = f"Until the error was below {SOLVED}"
    caption(effort, title, steps, "sequences seen (thousands)")
    handles = [key(CELLS[cell], **look(cell)) for cell in COMPARED]
    handles.append(key("remembers nothing: 1/6", color=REFERENCE, linestyle=(0, (1, 1))))
    legend_below(figure, handles)
    return figure


STUDY = Study(
    name="memory-limit",
    shows="Where the context ends: who still learns when what matters is further and further back",
    task="The adding problem of 2015, 50 to 500 steps: the sum of two numbers from U[0, 1], one "
    "marked in each half; 32 units, at most 64,000 fresh sequences",
    claims={
        "limit": Claim(
            "Gated cells learn over lags where a simple network does not, but not over any lag",
            "LSTM and tanh networks fail from some hundreds of steps on (about 150 to 400)",
            "Le, Jaitly & Hinton 2015",
        ),
        "chrono": Claim(
            "Gates that start with memories as long as the task learn over longer lags",
            "chrono initialisation ahead of forget bias 1 at T of about 200 and 750",
            "Tallec & Ollivier 2018",
        ),
        "published": Claim(
            "At T = 150 an LSTM adds, a tanh network stays at the error of remembering nothing",
            "about 0 (solved) against 1/6 = 0.167, the error of the mean",
            "Le, Jaitly & Hinton 2015; Arjovsky, Shah & Bengio 2016",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full={"lengths": [50, 150, 250, 500], "units": 32, "lr": 0.01, "training_steps": 2000},
    quick={"lengths": [20, 100], "training_steps": 500},
)
