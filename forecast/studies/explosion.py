"""Why gradients explode: long inputs, large recurrent weights, and what clipping saves."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.studies.study import Claim, Finding, Sizes, Study, Unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLIPS = ("without clipping", "clipped at 1")
#: Share of fresh sequences told right by a training that succeeds; guessing has a quarter.
SOLVED = 0.99
#: Sequences in a batch, and steps between two looks.
BATCH, LOOK = 20, 250


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """Trainings per length, gain, clipping and seed."""
    shared = {key: sizes[key] for key in ("units", "lr", "most_steps")}
    return [
        {"steps": steps, "gain": gain, "clip": clip, "seed": seed, **shared}
        for steps in sorted(sizes["steps"], reverse=True)
        for gain in sizes["gains"]
        for clip in CLIPS
        for seed in seeds
    ]


def measure(unit: Unit) -> pd.DataFrame:
    """How the gradient grows backwards before training, and what a training ends as."""
    import keras

    from forecast.studies.adjoints import state_gradients
    from forecast.studies.learning import Setup, learn, network, recurrent
    from forecast.studies.tasks import Batch, temporal_order

    def draw(rng: np.random.Generator, count: int) -> Batch:
        return temporal_order(rng, count, unit["steps"])

    probe = draw(np.random.default_rng([unit["seed"], 2]), BATCH)
    init = keras.initializers.Orthogonal(gain=unit["gain"], seed=unit["seed"] + 1)
    layer = recurrent("simple-rnn", unit["units"], unit["seed"], recurrent_initializer=init)
    head = keras.layers.Dense(4, kernel_initializer=keras.initializers.GlorotUniform(unit["seed"]))
    model = network(layer, head, probe)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss)
    by_lag = state_gradients(model, *probe)["h"][::-1]
    setup = Setup(
        batch_size=BATCH,
        most_steps=unit["most_steps"],
        check_every=LOOK,
        lr=unit["lr"],
        clip_norm=1.0 if unit["clip"] == CLIPS[1] else None,
        optimizer="sgd",
    )
    right: list[float] = []

    def solved(prediction: np.ndarray, y: np.ndarray) -> bool:
        right.append(float(np.mean(prediction.argmax(-1) == y)))
        return right[-1] >= SOLVED

    learned = learn(model, draw, setup, loss, unit["seed"], solved)
    row = {"growth": float(by_lag[-1] / by_lag[0]), "right": right[-1], "solved": learned.solved}
    return pd.DataFrame([row | {"sequences": BATCH * learned.steps}])


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """Growth as a geometric mean over seeds at the longest input; success over all trainings."""
    T, gains = int(frame["steps"].max()), sorted(frame["gain"].unique())
    longest = frame[frame["steps"] == T].assign(growth=np.log10(frame["growth"]))
    growth = 10 ** longest.groupby("gain")["growth"].mean()
    rate = frame.groupby(["steps", "clip"])["solved"].mean().unstack()  # noqa: PD010
    free, clipped = rate[CLIPS[0]], rate[CLIPS[1]]
    count = int(frame.groupby(["steps", "clip"]).size().iloc[0])
    never_fewer, more = bool((clipped >= free).all()), bool(clipped.mean() > free.mean())
    return {
        "growth": Finding(
            f"over {T} steps the gradient is multiplied by "
            + ", ".join(f"{growth[gain]:.2g} (gain {gain:g})" for gain in gains),
            "confirmed" if growth[gains[-1]] > 1 >= growth[gains[0]] else "not confirmed",
        ),
        "clipping": Finding(
            "solved without clipping and clipped: "
            + ", ".join(
                f"{free[steps]:.0%} and {clipped[steps]:.0%} over {steps} steps"
                for steps in rate.index
            )
            + f" (of {count} trainings each)",
            "confirmed" if never_fewer and more else "in part" if more else "not confirmed",
        ),
    }


def draw(frame: pd.DataFrame) -> "Figure":
    """Growth of the gradient by length; share of trainings that succeed, by gain and length."""
    from forecast.plots.style import OBSERVED, caption, color_of, key, legend_below, new_grid

    figure, [[left, right]] = new_grid(1, 2, row_height=3.2)
    gains = sorted(frame["gain"].unique())
    colors = dict(zip(gains, map(color_of, ("lstm", "keras-lstm", "gru")), strict=False))
    lines = {CLIPS[0]: ("--", "X"), CLIPS[1]: ("-", "o")}
    lengths = sorted(frame["steps"].unique())
    for gain in gains:
        rows = frame[frame["gain"] == gain]
        growth = np.log10(rows["growth"]).groupby(rows["steps"]).mean()
        left.plot(growth.index, 10**growth, color=colors[gain], marker="o")
        for clip, (line, marker) in lines.items():
            share = rows[rows["clip"] == clip].groupby("steps")["solved"].mean()
            look = {"color": colors[gain], "linestyle": line, "marker": marker}
            right.plot(share.index, 100 * share, **look)
    left.set_yscale("log")
    right.set_ylim(-4, 104)
    for ax in (left, right):
        ax.set_xticks(lengths)
    caption(left, "Before training: ‖∂L/∂h‖ at the start", "steps", "relative to that at the end")
    caption(right, "Trainings that solve the task", "steps", "share of the seeds (%)")
    handles = [key(f"gain {gain:g}", color=colors[gain]) for gain in gains]
    for clip, (line, marker) in lines.items():
        handles.append(key(clip, color=OBSERVED, linestyle=line, marker=marker))
    legend_below(figure, handles)
    return figure


STUDY = Study(
    name="explosion",
    shows="Large recurrent weights make gradients grow backwards; clipping lets trainings succeed",
    task=(
        "Temporal order (two symbols among T to 1.1 T, four classes) with a simple recurrent "
        "network of 50 units, SGD at 0.05, batches of 20, at most 40,000 sequences; orthogonal "
        "recurrent weights times a gain; solved when 99 % of 500 fresh sequences are told right"
    ),
    claims={
        "growth": Claim(
            "Gradients can explode when the largest singular value of the recurrent weights "
            "exceeds 1",
            "necessary for tanh: above 1",
            "Pascanu et al. 2013",
        ),
        "clipping": Claim(
            "Clipping the gradient norm raises the share of trainings that succeed, the more the "
            "longer the input",
            "the ordering, on temporal order with 50 to 250 steps and up to 5 million updates "
            "(about); without clipping none from about 20 to 100 steps on",
            "Pascanu et al. 2013",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full={
        "steps": [20, 30, 40],
        "gains": [1.0, 1.5],
        "units": 50,
        "lr": 0.05,
        "most_steps": 2000,
    },
    quick={"steps": [10, 20], "most_steps": 750},
    seeds=5,
    version=2,
)
