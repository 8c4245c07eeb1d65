"""Why gradients explode: long inputs, large recurrent weights, and what clipping saves."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.studies.study import Claim, Finding, Sizes, Study, Unit, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLIPS = ("without clipping", "clipped at 1")
#: Mean squared error of a solved adding problem; predicting the mean has 0.167.
SOLVED = 0.05
#: What a training ends as.
ENDS = ("solved", "unsolved", "no numbers any more")


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """Trainings per length, gain, clipping and seed."""
    shared = {key: sizes[key] for key in ("units", "lr", "most_steps")}
    return [
        {"steps": steps, "gain": gain, "clip": clip, "seed": seed, **shared}
        for steps in sizes["steps"]
        for gain in sizes["gains"]
        for clip in CLIPS
        for seed in seeds
    ]


def measure(unit: Unit) -> pd.DataFrame:
    """How the gradient grows backwards before training, and what a training ends as."""
    import keras

    from forecast.studies.adjoints import state_gradients
    from forecast.studies.learning import Setup, learn, network, recurrent
    from forecast.studies.tasks import Batch, adding

    def draw(rng: np.random.Generator, count: int) -> Batch:
        return adding(rng, count, unit["steps"])

    probe = draw(np.random.default_rng([unit["seed"], 2]), 20)
    init = keras.initializers.Orthogonal(gain=unit["gain"], seed=unit["seed"] + 1)
    layer = recurrent("simple-rnn", unit["units"], unit["seed"], recurrent_initializer=init)
    head = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(unit["seed"]))
    model = network(layer, head, probe)
    model.compile(loss="mse")
    by_lag = state_gradients(model, *probe)["h"][::-1]
    setup = Setup(
        batch_size=20,
        most_steps=unit["most_steps"],
        lr=unit["lr"],
        clip_norm=1.0 if unit["clip"] == CLIPS[1] else None,
        optimizer="sgd",
    )
    learned = learn(
        model, draw, setup, "mse", unit["seed"], lambda p, y: bool(np.mean((p - y) ** 2) < SOLVED)
    )
    loss = learned.losses[-1]
    end = ENDS[0] if learned.solved else ENDS[1] if np.isfinite(loss) else ENDS[2]
    growth = float(by_lag[-1] / by_lag[0])
    return pd.DataFrame({"growth": [growth], "loss": [loss], "end": [end]})


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """Growth as a geometric mean over seeds at the longest input; rates over all trainings."""
    T, gains = int(frame["steps"].max()), sorted(frame["gain"].unique())
    longest = frame[frame["steps"] == T].assign(growth=np.log10(frame["growth"]))
    growth = 10 ** longest.groupby("gain")["growth"].mean()
    large = frame[frame["gain"] == gains[-1]]
    solved = _shares(large, ENDS[0])
    lost = _shares(large, ENDS[2])
    every = _shares(frame, ENDS[0])
    more, fewer = solved[CLIPS[1]] > solved[CLIPS[0]], lost[CLIPS[1]] < lost[CLIPS[0]]
    saved: Verdict = "confirmed" if more and fewer else "in part" if fewer else "not confirmed"
    grows = growth[gains[-1]] > 1 >= growth[gains[0]]
    return {
        "growth": Finding(
            f"over {T} steps the gradient is multiplied by "
            + ", ".join(f"{growth[gain]:.2g} (gain {gain:g})" for gain in gains),
            "confirmed" if grows else "not confirmed",
        ),
        "clipping": Finding(
            f"gain {gains[-1]:g}: without clipping {solved[CLIPS[0]]:.0%} solved and "
            f"{lost[CLIPS[0]]:.0%} end without numbers, clipped {solved[CLIPS[1]]:.0%} and "
            f"{lost[CLIPS[1]]:.0%}; all gains: {every[CLIPS[0]]:.0%} solved without clipping, "
            f"{every[CLIPS[1]]:.0%} clipped",
            saved,
        ),
    }


def _shares(frame: pd.DataFrame, end: str) -> pd.Series:
    return frame.assign(hit=frame["end"] == end).groupby("clip")["hit"].mean()


def draw(frame: pd.DataFrame) -> "Figure":
    """Growth of the gradient by length; shares of trainings solved and lost, by length."""
    from forecast.plots.style import OBSERVED, caption, color_of, key, legend_below, new_grid

    figure, [[left, middle, right]] = new_grid(1, 3, row_height=3.2)
    gains = sorted(frame["gain"].unique())
    palette = [color_of(name) for name in ("lstm", "keras-lstm", "gru", "simple-rnn")]
    colors = dict(zip(gains, palette, strict=False))
    lines = {CLIPS[0]: ("--", "X"), CLIPS[1]: ("-", "o")}
    for gain in gains:
        rows = frame[frame["gain"] == gain]
        growth = np.log10(rows["growth"]).groupby(rows["steps"]).mean()
        left.plot(growth.index, 10**growth, color=colors[gain], marker="o")
        for clip, (line, marker) in lines.items():
            look = {"color": colors[gain], "linestyle": line, "marker": marker, "alpha": 0.8}
            for ax, end in ((middle, ENDS[0]), (right, ENDS[2])):
                of_clip = rows[rows["clip"] == clip]
                share = (of_clip["end"] == end).groupby(of_clip["steps"]).mean()
                ax.plot(share.index, 100 * share, **look)
    left.set_yscale("log")
    for ax in (middle, right):
        ax.set_ylim(-4, 104)
    caption(left, "‖∂L/∂h‖ at the first step", "steps", "relative to the last step")
    caption(middle, "Trainings that solve the task", "steps", "%")
    caption(right, "Trainings lost to infinity", "steps", "%")
    handles = [key(f"gain {gain:g}", color=colors[gain]) for gain in gains]
    for clip, (line, marker) in lines.items():
        handles.append(key(clip, color=OBSERVED, linestyle=line, marker=marker))
    legend_below(figure, handles)
    return figure


STUDY = Study(
    name="explosion",
    shows="Large recurrent weights make gradients grow backwards; clipping keeps trainings alive",
    task=(
        "The adding problem (Le et al. 2015) with a simple recurrent network of 50 units, SGD at "
        "0.05, batches of 20; orthogonal recurrent weights times a gain; solved below a mean "
        "squared error of 0.05"
    ),
    claims={
        "growth": Claim(
            "Gradients can explode when the largest singular value of the recurrent weights "
            "exceeds 1",
            "necessary for tanh: above 1",
            "Pascanu et al. 2013",
        ),
        "clipping": Claim(
            "Clipping the gradient norm raises the share of trainings that succeed",
            "the ordering, on temporal order with 50 to 250 steps",
            "Pascanu et al. 2013",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full={
        "steps": [10, 20, 30, 40],
        "gains": [1.0, 1.5],
        "units": 50,
        "lr": 0.05,
        "most_steps": 4000,
    },
    quick={"steps": [10, 20], "most_steps": 500},
    seeds=5,
)
