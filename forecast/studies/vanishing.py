"""Why gradients vanish: ‖∂L/∂h‖ and ‖∂L/∂c‖ against lag, and the chain ∂c_t/∂c_{t−1}."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.studies.study import Claim, Finding, Sizes, Study, Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELLS = ("simple-rnn", "gru", "lstm", "no_forget_gate")
LABELS = {"no_forget_gate": "lstm without forget gate"}
START, END = "at start", "after training"
CHAIN = {
    "measured": "measured, along every path",
    "textbook": "product of the ∂c/∂c₋₁ (formula)",
    "carousel": "product of the forget gates",
}


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """One training per cell and seed."""
    shared = {key: sizes[key] for key in ("steps", "units", "most_steps", "lr", "probed")}
    return [{"cell": cell, "seed": seed, **shared} for cell in CELLS for seed in seeds]


def measure(unit: Unit) -> pd.DataFrame:
    """Look into the layer, train it on the adding problem, look again."""
    import keras

    from forecast.studies.learning import Setup, learn, network, recurrent
    from forecast.studies.tasks import Batch, adding

    def draw(rng: np.random.Generator, count: int) -> Batch:
        return adding(rng, count, unit["steps"])

    probe = draw(np.random.default_rng([unit["seed"], 2]), unit["probed"])
    layer = recurrent(unit["cell"], unit["units"], unit["seed"])
    head = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(unit["seed"]))
    model = network(layer, head, probe)
    model.compile(loss="mse")
    before = _look(model, probe, unit).assign(phase=START)
    setup = Setup(most_steps=unit["most_steps"], lr=unit["lr"])
    learned = learn(
        model, draw, setup, "mse", unit["seed"], lambda p, y: bool(np.mean((p - y) ** 2) < 0.01)
    )
    rows = pd.concat([before, _look(model, probe, unit).assign(phase=END)], ignore_index=True)
    return rows.assign(loss=learned.losses[-1], solved=learned.solved)


def _look(model: Any, probe: Any, unit: Unit) -> pd.DataFrame:
    """Gradients by lag, their decay per step, and for LSTMs the chain from c to c."""
    from forecast.studies.adjoints import chain, state_gradients
    from forecast.telemetry.quantities import memory

    curves = {
        f"‖∂L/∂{kind}‖": norms[::-1] / norms[-1]
        for kind, norms in state_gradients(model, *probe).items()
    }
    single = {f"{name} per step": memory(curve).rate for name, curve in curves.items()}
    if "‖∂L/∂c‖" in curves:
        cell = model.get_layer("recurrent").cell
        back = chain(cell, probe.x, np.random.default_rng([unit["seed"], 3]))
        curves |= {name: getattr(back, name) for name in CHAIN}
        single |= {f"{name} per step": memory(curves[name]).rate for name in CHAIN}
        single["deviation"] = back.deviation
    rows = [
        pd.DataFrame({"quantity": name, "lag": np.arange(len(curve)), "value": curve})
        for name, curve in curves.items()
    ]
    rows.append(pd.DataFrame({"quantity": [*single], "lag": -1, "value": [*single.values()]}))
    return pd.concat(rows, ignore_index=True)


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """Factors per step are means over seeds."""
    T = int(frame["steps"].iloc[0])

    def mean(cell: str, quantity: str, phase: str = START, lag: int = -1) -> float:
        at = (frame["cell"] == cell) & (frame["quantity"] == quantity) & (frame["phase"] == phase)
        return float(frame[at & (frame["lag"] == lag)]["value"].mean())

    rnn = [mean("simple-rnn", "‖∂L/∂h‖ per step", phase) for phase in (START, END)]
    fresh = {name: mean("lstm", f"{name} per step") for name in CHAIN}
    kept = mean("no_forget_gate", "carousel", START, T - 1)
    whole = [mean("no_forget_gate", "‖∂L/∂c‖", phase, T - 1) for phase in (START, END)]
    reach = [mean("lstm", "‖∂L/∂c‖", phase, T - 1) for phase in (START, END)]
    deviation = frame[frame["quantity"] == "deviation"]["value"].max()
    return {
        "simple": Finding(
            f"‖∂L/∂h‖ times {rnn[0]:.2f} per step at start, times {rnn[1]:.2f} after training",
            "confirmed" if max(rnn) < 1 else "in part" if min(rnn) < 1 else "not confirmed",
        ),
        "fresh": Finding(
            f"times {fresh['carousel']:.3f} per step along the forget gates, "
            f"{fresh['measured']:.3f} along all paths; ‖∂L/∂c‖ is {reach[0]:.0e} at lag {T - 1}",
            _within(abs(fresh["measured"] - 0.731), abs(fresh["carousel"] - 0.731)),
        ),
        "carousel": Finding(
            f"{kept:.3f} is left after {T - 1} steps along the cell; with the paths through the "
            f"gates {whole[0]:.2g} at start, {whole[1]:.2g} after training",
            "confirmed" if abs(kept - 1) < 1e-6 else "not confirmed",
        ),
        "learned": Finding(
            f"‖∂L/∂c‖ at lag {T - 1}, relative to lag 0: {reach[0]:.0e} before training, "
            f"{reach[1]:.0e} after",
            "confirmed" if reach[1] > 10 * reach[0] else "not confirmed",
        ),
        "formula": Finding(
            f"largest deviation {deviation:.0e}; the product of the formula over the steps falls "
            f"by {fresh['textbook']:.3f} per step, measured {fresh['measured']:.3f}: it leaves out "
            "the paths over the output gate",
            "confirmed" if deviation < 1e-9 else "not confirmed",
        ),
    }


def _within(whole: float, part: float) -> Any:
    """Confirmed when the measured factor agrees to 0.03, in part when the forget gates' does."""
    return "confirmed" if whole < 0.03 else "in part" if part < 0.03 else "not confirmed"


def draw(frame: pd.DataFrame) -> "Figure":
    """Gradients by lag before and after training; below them the chain of a cell state."""
    from forecast.plots.style import caption, key, legend_below, new_grid

    figure, grid = new_grid(3, 2, row_height=2.5, sharex=True, sharey="row")
    looks = _looks()
    for column, phase in enumerate((START, END)):
        rows = frame[(frame["phase"] == phase) & (frame["lag"] >= 0)]
        for row, quantity in enumerate(("‖∂L/∂h‖", "‖∂L/∂c‖")):
            for cell in CELLS:
                chosen = rows[(rows["cell"] == cell) & (rows["quantity"] == quantity)]
                _line(grid[row][column], chosen, looks[cell])
            caption(grid[row][column], f"{quantity} {phase}")
        for name in CHAIN:
            chosen = rows[(rows["cell"] == "lstm") & (rows["quantity"] == name)]
            _line(grid[2][column], chosen, looks[name])
        caption(grid[2][column], f"LSTM: from c back to c, {phase}", "lag (steps before the loss)")
    for axes in grid:
        axes[0].set_ylabel("norm, lag 0 = 1", fontsize=9.5)
        for ax in axes:
            ax.set_yscale("log")
            ax.set_ylim(bottom=max(ax.get_ylim()[0], 1e-12))
    grid[2][0].legend(
        handles=[key(CHAIN[name], **looks[name]) for name in CHAIN],
        loc="lower left",
        fontsize=8,
        frameon=False,
    )
    legend_below(figure, [key(LABELS.get(cell, cell), **looks[cell]) for cell in CELLS])
    return figure


def _looks() -> dict[str, dict[str, Any]]:
    from forecast.plots.style import OBSERVED, color_of, look_of

    looks = {cell: look_of(cell) | {"marker": ""} for cell in CELLS}
    looks["no_forget_gate"] |= {"color": "#E69F00", "linestyle": (0, (6, 1))}
    lines = ((OBSERVED, "-", 3.0), (color_of("keras-lstm"), "--", 1.6), (color_of("lstm"), ":", 2))
    for name, (color, line, width) in zip(CHAIN, lines, strict=True):
        looks[name] = {"color": color, "linestyle": line, "linewidth": width}
    return looks


def _line(ax: "Axes", rows: pd.DataFrame, look: dict[str, Any]) -> None:
    """The geometric mean over seeds, on the band between the lowest and the highest seed."""
    if rows.empty:
        return
    by_lag = np.log10(rows.assign(value=rows["value"].clip(lower=1e-30)).set_index("lag")["value"])
    stats = 10 ** by_lag.groupby("lag").agg(["mean", "min", "max"])
    ax.plot(stats.index, stats["mean"], **look)
    ax.fill_between(stats.index, stats["min"], stats["max"], color=look["color"], alpha=0.15, lw=0)


STUDY = Study(
    name="vanishing",
    shows="How a gradient fades on its way back through time, and along which path it survives",
    task=(
        "The adding problem over 60 steps (Le et al. 2015), 32 units, before training and after; "
        "gradients relative to lag 0"
    ),
    claims={
        "simple": Claim(
            "The gradient of a simple recurrent network falls exponentially with the lag",
            "at a constant factor below 1 per step",
            "Hochreiter 1991; Bengio et al. 1994; Pascanu et al. 2013",
        ),
        "fresh": Claim(
            "With a forget bias of 1 a fresh LSTM passes its gradient on at σ(1) per step",
            "0.731 per step, 7e-9 over 60 steps",
            "Gers et al. 2000; bias of Jozefowicz et al. 2015",
        ),
        "carousel": Claim(
            "Without a forget gate the error along the cell is constant",
            "factor 1 per step",
            "Hochreiter & Schmidhuber 1997",
        ),
        "learned": Claim(
            "An LSTM learns to pass gradients over the lags it needs",
            "lags of about 100 to 1,000 steps are learned",
            "Hochreiter & Schmidhuber 1997",
        ),
        "formula": Claim(
            "∂c_t/∂c_{t−1} is the forget gate plus three terms through the gates",
            "an equality",
            "chain rule; Gers et al. 2000",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full={"steps": 60, "units": 32, "most_steps": 1500, "lr": 5e-3, "probed": 32},
    quick={"units": 16, "most_steps": 200, "probed": 8},
)
