"""The bias of the forget gate: how long the memory starts, and what is learned with it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.studies.study import Claim, Finding, Sizes, Study, Unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TASKS = ("adding", "prices")
#: Keras's forget bias.
USUAL = 1.0


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """A training per task, bias and seed."""
    adding = {key: sizes[key] for key in ("steps", "units", "lr", "most_steps")}
    prices = {"epochs": sizes["epochs"]}
    return [
        {"task": task, "bias": bias, "seed": seed, **(adding if task == "adding" else prices)}
        for task in TASKS
        for bias in sizes["biases"]
        for seed in seeds
    ]


def measure(unit: Unit) -> pd.DataFrame:
    """Memory horizon (steps) before and after training, and the loss."""
    return _learn_adding(unit) if unit["task"] == "adding" else _learn_prices(unit)


def _learn_adding(unit: Unit) -> pd.DataFrame:
    import keras

    from forecast.studies.adjoints import state_gradients
    from forecast.studies.learning import Setup, learn, network, recurrent
    from forecast.studies.tasks import Batch, adding

    def draw(rng: np.random.Generator, count: int) -> Batch:
        return adding(rng, count, unit["steps"])

    probe = draw(np.random.default_rng([unit["seed"], 2]), 16)
    layer = recurrent("lstm", unit["units"], unit["seed"], forget_bias=unit["bias"])
    head = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(unit["seed"]))
    model = network(layer, head, probe)
    model.compile(loss="mse")
    before = state_gradients(model, *probe)["c"][::-1]
    setup = Setup(lr=unit["lr"], most_steps=unit["most_steps"])
    learned = learn(
        model, draw, setup, "mse", unit["seed"], lambda p, y: bool(np.mean((p - y) ** 2) < 0.01)
    )
    after = state_gradients(model, *probe)["c"][::-1]
    return _row(before, after, learned.losses[-1]).assign(taken=learned.steps)


def _learn_prices(unit: Unit) -> pd.DataFrame:
    from forecast.studies.stocks import trained

    network = trained(unit["seed"], forget_bias=unit["bias"], epochs=unit["epochs"])
    frame = network.telemetry_
    assert frame is not None  # it is on unless a setting says otherwise
    frame = frame[frame["quantity"] == "cell_gradient_norm"]
    by_epoch = frame.sort_values("lag_sessions").groupby("epoch")["value"].apply(np.array)
    taken = int(network.history_["val_loss"].argmin() + 1) * network.settings.steps_per_epoch
    loss = float(network.history_["val_loss"].min())
    return _row(by_epoch.iloc[0], by_epoch.iloc[-1], loss).assign(taken=taken)


def _row(before: np.ndarray, after: np.ndarray, loss: float) -> pd.DataFrame:
    """Memory (steps) of the gradient by lag before and after training; `length` is all there is."""
    from forecast.telemetry.quantities import memory

    length = len(before)
    horizons = {
        name: min(memory(by_lag).horizon_sessions, length)
        for name, by_lag in (("horizon_start", before), ("horizon_end", after))
    }
    return pd.DataFrame([{**horizons, "length": length, "loss": loss}])


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """Horizons are medians over seeds, losses and steps means."""
    adding, prices = (frame[frame["task"] == task].groupby("bias") for task in TASKS)
    horizon, length = adding["horizon_start"].median(), int(adding["length"].max().iloc[0])
    longer = horizon.dropna().is_monotonic_increasing
    low, high = horizon.index.min(), horizon.index.max()
    steps = adding["taken"].mean()
    zero = max((bias for bias in steps.index if bias < USUAL), default=low)
    loss, crps = adding["loss"].mean(), prices["loss"].mean()
    best = float(crps.index.to_numpy(float)[np.argmin(crps)])
    usual = _nearest(crps, USUAL)
    within = abs(crps[usual] / crps.min() - 1)
    return {
        "horizon": Finding(
            ", ".join(
                f"{horizon[bias]:.3g} steps at {bias:g}"
                if horizon[bias] < length
                else f"all {length} steps at {bias:g}"
                for bias in (low, USUAL, high)
                if bias in horizon
            ),
            "confirmed" if longer else "not confirmed",
        ),
        "learning": Finding(
            f"adding over {int(frame['steps'].max())} steps takes {steps[zero]:.0f} training steps "
            f"at {zero:g}, {steps[usual]:.0f} at {usual:g}, fewest ({steps.min():.0f}) at "
            f"{steps.idxmin():g}; the loss ends at {loss[low]:.3f} for {low:g}",
            "confirmed" if steps[usual] < steps[zero] else "not confirmed",
        ),
        "prices": Finding(
            f"validation CRPS {crps.min():.4f} at its best bias {best:g}, {crps[usual]:.4f} at "
            f"{usual:g} ({within:.2%} more), {crps.max():.4f} at {crps.idxmax():g}, its worst",
            "confirmed" if within < 0.002 else "in part" if within < 0.01 else "not confirmed",
        ),
    }


def _nearest(by_bias: pd.Series, bias: float) -> float:
    return min((float(known) for known in by_bias.index), key=lambda known: abs(known - bias))


def draw(frame: pd.DataFrame) -> "Figure":
    """Memory horizon before and after, and the loss, by bias; adding left, prices right."""
    from forecast.plots.style import REFERENCE, caption, color_of, key, legend_below, new_grid

    figure, grid = new_grid(2, 2, row_height=2.6, sharex=True)
    looks: dict[str, dict[str, Any]] = {
        "horizon_start": {"color": REFERENCE, "linestyle": "--", "marker": "s"},
        "horizon_end": {"color": color_of("lstm"), "linestyle": "-", "marker": "o"},
    }
    names = {"adding": "the adding problem", "prices": "prices (validation)"}
    units = {"adding": "mean squared error", "prices": "CRPS (volatilities)"}
    for column, task in enumerate(TASKS):
        rows = frame[frame["task"] == task]
        top, bottom = grid[0][column], grid[1][column]
        for name, look in looks.items():
            median = rows.groupby("bias")[name].median()
            top.plot(median.index, median, **look)
        top.set_yscale("log")
        top.axhline(rows["length"].max(), color=REFERENCE, linewidth=0.8)
        bottom.plot(rows["bias"], rows["loss"], "o", color=color_of("lstm"), alpha=0.4)
        mean = rows.groupby("bias")["loss"].mean()
        bottom.plot(mean.index, mean, color=color_of("lstm"))
        step = "steps" if task == "adding" else "sessions"
        caption(top, f"Memory on {names[task]}", y=f"horizon ({step})")
        caption(bottom, f"Loss on {names[task]}", "forget bias at start", units[task])
    biases = np.linspace(frame["bias"].min(), frame["bias"].max(), 50)
    for ax in grid[0]:  # what the gates alone would keep: −1/ln σ(b)
        ax.plot(biases, 1 / np.log1p(np.exp(-biases)), color=REFERENCE, linestyle=":")
    handles = [
        key(text, **looks[name])
        for name, text in (("horizon_start", "before training"), ("horizon_end", "after training"))
    ]
    line = key("forget gate alone: −1/ln σ(bias)", color=REFERENCE, linestyle=":")
    whole = key("all the steps there are", color=REFERENCE, linewidth=0.8)
    legend_below(figure, [*handles, line, whole])
    return figure


STUDY = Study(
    name="forget-bias",
    shows="The forget gate's bias sets how far a fresh LSTM sees, and what it learns",
    task=(
        "The adding problem over 60 steps (32 units, solved below a mean squared error of 0.01) "
        "and the stock network on the bundled prices, the bias from −2 to 5"
    ),
    claims={
        "horizon": Claim(
            "The larger the forget bias, the longer the memory of a fresh LSTM",
            "−1/ln σ(b): 0.5 steps at −2, 3.2 at 1, 149 at 5",
            "Gers et al. 2000",
        ),
        "learning": Claim(
            "A forget bias of 1 learns long lags better than one of 0",
            "an LSTM with bias 1 or 2 is level with the best of 10,000 architectures (about)",
            "Jozefowicz et al. 2015",
        ),
        "prices": Claim(
            "A forget bias of 1 is a good default, on prices too",
            "no number for prices",
            "Jozefowicz et al. 2015",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    version=2,
    full={
        "biases": [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        "steps": 60,
        "units": 32,
        "lr": 5e-3,
        "most_steps": 2000,
        "epochs": 30,
    },
    quick={"biases": [-2.0, 1.0, 4.0], "steps": 20, "units": 16, "most_steps": 300, "epochs": 1},
)
