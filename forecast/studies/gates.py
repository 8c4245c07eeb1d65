"""What each gate is for: an LSTM without it, on the adding problem and on prices."""

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from forecast.studies.study import Claim, Finding, Sizes, Study, Unit, verdict

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

#: The variants of Greff et al. 2017, vanilla first; their names for them in brackets.
VARIANTS = {
    "lstm": "vanilla (V)",
    "no_input_gate": "no input gate (NIG)",
    "no_forget_gate": "no forget gate (NFG)",
    "no_output_gate": "no output gate (NOG)",
    "no_modulation_gate": "candidate not squashed (NIAF)",
    "no_output_activation": "no output activation (NOAF)",
    "coupled": "f = 1 − i (CIFG)",
    "peepholes": "peepholes",
}
#: What is said of the squashed candidate, and with how many digits.
MEASURED = {
    "largest_candidate": ("|c̃| up to", ".2f"),
    "largest_cell_state": ("|c| up to", ".1f"),
    "loss": ("loss", ".5f"),
}
#: A variant matters when it is worse than vanilla by more than this many standard errors.
STANDARD_ERRORS = 2


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """One unit per task, variant and seed."""
    return [
        {"task": task, "variant": variant, "seed": seed, **sizes[task]}
        for task in ("adding", "prices")
        for variant in VARIANTS
        for seed in seeds
    ]


def measure(unit: Unit) -> pd.DataFrame:
    """Loss after training, and the largest candidate and cell state on sequences not trained on."""
    return _adding(unit) if unit["task"] == "adding" else _prices(unit)


def _adding(unit: Unit) -> pd.DataFrame:
    import keras
    import numpy as np

    from forecast.studies.learning import Setup, learn, recurrent
    from forecast.studies.tasks import Batch, adding

    keras.utils.set_random_seed(unit["seed"])

    def draw(rng: "np.random.Generator", count: int) -> Batch:
        return adding(rng, count, unit["steps"])

    layer = recurrent(unit["variant"], unit["units"], unit["seed"])
    x = keras.Input((unit["steps"], 2))
    model = keras.Model(x, keras.layers.Dense(1)(layer(x)))
    setup = Setup(most_steps=unit["training_steps"], lr=unit["lr"])
    learned = learn(model, draw, setup, "mse", unit["seed"])
    held_out = draw(np.random.default_rng([unit["seed"], 2]), setup.checked).x
    return pd.DataFrame([{"loss": learned.losses[-1], **_largest(layer.cell, held_out)}])


def _prices(unit: Unit) -> pd.DataFrame:
    """Train on the bundled prices before the validation part; the test part is not read."""
    import keras

    from forecast.prices import load_prices
    from forecast.settings import Settings
    from forecast.training import NeuralForecaster
    from forecast.windows import build_windows, drop_short_tickers, make_splits

    sizes = {key: unit[key] for key in ("units", "epochs", "steps_per_epoch", "lookback")}
    settings = Settings(**sizes, telemetry="off")
    panel, _ = load_prices(settings)
    panel, _ = drop_short_tickers(panel, settings, ())
    splits = make_splits(panel, settings)
    first, last = (panel.sessions[k] for k in splits.validation)
    learner = NeuralForecaster(settings, unit["variant"], unit["seed"], first.date())
    learner.fit(panel, last)
    windows = build_windows(panel, settings)
    starts = windows.starts(splits.validation[1])[:: settings.lookback]
    model = learner.network_
    layer = model.get_layer("recurrent")
    features = keras.Model(model.input, layer.input).predict_on_batch(windows.inputs(starts))
    loss = float(learner.history_["val_loss"].min())
    row = {"loss": loss, "baseline": learner.prior_crps_, **_largest(layer.cell, features)}
    return pd.DataFrame([row])


def _largest(cell: Any, x: "np.ndarray") -> dict[str, float]:
    """Largest |candidate| and |cell state| of a trained cell on sequences x (N, T, F)."""
    import numpy as np
    from keras import ops

    from forecast.layers.lstm_cell import step

    states = [ops.zeros((len(x), cell.units))] * 2
    candidate, memory = 0.0, 0.0
    for at in range(x.shape[1]):
        h, c, gates = step(cell, ops.convert_to_tensor(x[:, at]), states, ablation=_ablation(cell))
        states = [h, c]
        candidate = max(candidate, float(np.abs(gates["g"]).max()))
        memory = max(memory, float(np.abs(c).max()))
    return {"largest_candidate": candidate, "largest_cell_state": memory}


def _ablation(cell: Any) -> Any:
    return getattr(cell, "ablation", None)  # Keras's own cell, in our LSTM, has none


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """Which variants are worse than vanilla, and how large the candidate gets without its tanh."""
    worse = {task: _worse(frame[frame["task"] == task]) for task in ("adding", "prices")}
    told = "; ".join(f"{task}: {', '.join(names) or 'none'}" for task, names in worse.items())
    loss = frame.groupby(["task", "variant"])["loss"].median()
    worst = {task: VARIANTS[loss[task].idxmax()] for task in worse}
    best = {task: VARIANTS[loss[task].idxmin()] for task in worse}
    critical = {VARIANTS["no_forget_gate"], VARIANTS["no_output_activation"]}
    held = [critical <= set(names) for names in worse.values()]
    spare = [{VARIANTS["coupled"], VARIANTS["peepholes"]}.isdisjoint(worse[task]) for task in worse]
    return {
        "critical": Finding(
            f"worse than vanilla by more than {STANDARD_ERRORS} standard errors — {told}; worst: "
            f"{worst['adding']} (adding), {worst['prices']} (prices)",
            verdict(*held),
        ),
        "spare": Finding(
            f"neither is worse in {sum(spare)} of {len(spare)} tasks; best: {best['adding']} "
            f"(adding), {best['prices']} (prices)",
            verdict(*spare),
        ),
        "squash": _squash(frame),
    }


def _worse(rows: pd.DataFrame) -> list[str]:
    """Names of the variants whose loss is clearly above vanilla's; none from a single seed."""
    by_seed = rows.pivot_table(index="seed", columns="variant", values="loss")
    if rows["task"].iloc[0] == "adding":
        by_seed = by_seed.map(math.log10)  # losses of powers of ten: differences are ratios
    excess = by_seed.sub(by_seed["lstm"], axis=0)
    error = excess.std() / len(excess) ** 0.5
    clear = excess.mean() > STANDARD_ERRORS * error
    return [VARIANTS[name] for name in VARIANTS if name != "lstm" and clear[name]]


def _squash(frame: pd.DataFrame) -> Finding:
    told, held = [], []
    for task in ("adding", "prices"):
        mean = frame[frame["task"] == task].groupby("variant")[list(MEASURED)].mean().T
        squashed, free = mean["lstm"], mean["no_modulation_gate"]
        parts = [
            f"{name} {free[key]:{form}} ({squashed[key]:{form}} squashed)"
            for key, (name, form) in MEASURED.items()
        ]
        told.append(f"{task}: {', '.join(parts)}")
        held += [bool(free[key] > squashed[key]) for key in ("largest_cell_state", "loss")]
    return Finding("; ".join(told), verdict(*held))


def draw(frame: pd.DataFrame) -> "Figure":
    """Loss of every variant on both tasks, and the size of candidate and cell state."""
    from forecast.plots.style import REFERENCE, caption, key, legend_below, new_grid
    from forecast.studies.cells import look

    figure, [axes] = new_grid(1, 3, row_height=3.4, sharey=True)
    places = {variant: place for place, variant in enumerate(VARIANTS)}
    lstm, other = look("lstm")["color"], look("chrono-lstm")["color"]
    for ax, task in zip(axes, ("adding", "prices"), strict=False):
        rows = frame[frame["task"] == task]
        where = rows["variant"].map(places)
        ax.plot(rows["loss"], where, "o", color=lstm, alpha=0.5, markersize=4)
        mean = rows.groupby("variant")["loss"].median()
        ax.plot(mean, mean.index.map(places), "|", color=lstm, markersize=13, markeredgewidth=2)
        ax.axvline(mean["lstm"], color=REFERENCE, linestyle=(0, (1, 1)))
    axes[0].set_xscale("log")
    for task, marker in (("adding", "o"), ("prices", "s")):
        sizes = frame[frame["task"] == task].groupby("variant").mean(numeric_only=True)
        for column, color in (("largest_candidate", other), ("largest_cell_state", lstm)):
            axes[2].plot(sizes[column], sizes.index.map(places), marker, color=color, markersize=5)
    axes[2].set_xscale("log")
    axes[0].set_yticks(list(places.values()), list(VARIANTS.values()), fontsize=8)
    axes[0].invert_yaxis()
    caption(axes[0], "Adding problem", "mean squared error")
    caption(axes[1], "Prices", "validation CRPS (volatilities)")
    caption(axes[2], "Largest values", "|c̃| and |c|")
    handles = [key("median over seeds; dotted: vanilla", color=lstm, marker="|", linestyle="")]
    for name, color in (("|c̃|", other), ("|c|", lstm)):
        handles.append(key(f"{name}, adding", color=color, marker="o", linestyle=""))
        handles.append(key(f"{name}, prices", color=color, marker="s", linestyle=""))
    legend_below(figure, handles)
    return figure


STUDY = Study(
    name="gates",
    shows="What each gate is for: an LSTM without it, and why the candidate is squashed",
    task="The variants of Greff et al. on the adding problem (T = 50, 32 units, 64,000 "
    "sequences) and on the bundled prices (8 units, best validation CRPS; the test part is not "
    "read)",
    claims={
        "critical": Claim(
            "The forget gate and the output activation are the critical parts",
            "without either worse on all three tasks (about): speech, handwriting, music",
            "Greff et al. 2017",
        ),
        "spare": Claim(
            "Coupling f = 1 − i and peepholes do no harm",
            "no significant change (about)",
            "Greff et al. 2017",
        ),
        "squash": Claim(
            "The candidate is squashed to [−1, 1] so that no step can write more than 1 into the "
            "cell: without, cell state and loss are larger",
            "without it worse on speech and handwriting, not on music (about)",
            "Greff et al. 2017",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full={
        "adding": {"steps": 50, "units": 32, "lr": 0.01, "training_steps": 2000},
        "prices": {"units": 8, "epochs": 12, "steps_per_epoch": 20, "lookback": 160},
    },
    quick={
        "adding": {"steps": 20, "units": 16, "lr": 0.01, "training_steps": 400},
        "prices": {"units": 4, "epochs": 1, "steps_per_epoch": 5, "lookback": 40},
    },
)
