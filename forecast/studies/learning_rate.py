"""The learning rate and the gradient: a range test on the stock network, and trainings beside."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.studies.study import Claim, Finding, Sizes, Study, Unit, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What a range test shows by learning rate, and how its axis is called.
SEEN = {
    "loss": "validation CRPS\n(volatilities)",
    "gradient_norm": "‖gradient‖\nbefore clipping",
    "update_ratio": "‖Δw‖/‖w‖",
}


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """A range test per seed; a training per learning rate and seed."""
    tests: list[Unit] = [{"part": "range test", "seed": seed} for seed in seeds]
    trainings = [
        {"part": "training", "lr": lr, "seed": seed, "epochs": sizes["epochs"]}
        for lr in sizes["rates"]
        for seed in seeds
    ]
    return [*tests, *trainings]


def measure(unit: Unit) -> pd.DataFrame:
    """Rows of the range test, or the best validation CRPS of a training (volatilities)."""
    from forecast.studies.stocks import trained

    if unit["part"] == "training":
        network = trained(unit["seed"], lr=unit["lr"], epochs=unit["epochs"], telemetry="off")
        best = float(network.history_["val_loss"].min())
        return pd.DataFrame({"rate": [unit["lr"]], "best_crps": [best]})
    test = trained(unit["seed"], lr="auto", epochs=1, telemetry="off").range_test_
    low, high = test.suggested
    return test.frame.rename(columns={"lr": "rate"}).assign(
        low=low, high=high, chosen=test.chosen, start=test.start
    )


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """The best learning rate is that of the lowest mean validation CRPS over seeds."""
    tests = frame[frame["part"] == "range test"]
    low, high, chosen = (_middle(tests[name]) for name in ("low", "high", "chosen"))
    by_rate = frame[frame["part"] == "training"].groupby("rate")["best_crps"].mean()
    best = float(by_rate.index.to_numpy(float)[np.argmin(by_rate)])
    inside = [rate for rate in by_rate.index if low <= rate <= high]
    near = min(by_rate.index, key=lambda rate: abs(np.log(rate / chosen)))
    loss = by_rate[near] / by_rate.min() - 1
    verdict: Verdict = "in part" if loss < 0.01 else "not confirmed"
    ratio = tests[(tests["rate"] > best / 1.5) & (tests["rate"] < best * 1.5)]["update_ratio"]
    usual = 1e-4 <= ratio.median() <= 1e-2
    return {
        "range": Finding(
            f"suggested {low:.1g} to {high:.1g}, the middle {chosen:.1g}; trained best at "
            f"{best:.1g} of {len(by_rate)} rates ({len(inside)} in the range); near the middle "
            f"({near:.1g}) the validation CRPS is {loss:.2%} higher",
            "confirmed" if low <= best <= high else verdict,
        ),
        "ratio": Finding(
            f"{ratio.median():.1g} at the best learning rate {best:.1g}",
            "confirmed" if usual else "not confirmed",
        ),
    }


def _middle(values: pd.Series) -> float:
    return float(np.exp(np.log(values).mean()))


def draw(frame: pd.DataFrame) -> "Figure":
    """Loss, gradient norm and update ratio by learning rate, the suggested range shaded."""
    from forecast.plots.style import REFERENCE, caption, color_of, key, legend_below, new_grid

    figure, grid = new_grid(4, 1, row_height=1.9, sharex=True)
    tests = frame[frame["part"] == "range test"]
    low, high, chosen = (_middle(tests[name]) for name in ("low", "high", "chosen"))
    color = color_of("lstm")
    for [ax], (name, label) in zip(grid, SEEN.items(), strict=False):
        for _, test in tests.groupby("seed"):
            ax.plot(test["rate"], test[name], color=color, linewidth=1)
        ax.set_ylabel(label, fontsize=9)
    start = tests["start"].mean()
    top = start + 0.5 * (start - tests["loss"].min())
    grid[0][0].set_ylim(top=top)
    grid[1][0].set_yscale("log")
    grid[2][0].set_yscale("log")
    trained = frame[frame["part"] == "training"]
    last = grid[3][0]
    last.plot(trained["rate"], trained["best_crps"], "o", color=color, alpha=0.5)
    mean = trained.groupby("rate")["best_crps"].mean()
    last.plot(mean.index, mean, color=color)
    last.set_ylabel("best validation CRPS\nof a training", fontsize=9)
    for [ax] in grid:
        ax.set_xscale("log")
        ax.axvspan(low, high, color=color_of("ewma-t"), alpha=0.15, lw=0)
        ax.axvline(chosen, color=REFERENCE, linestyle="--", linewidth=1.2)
    caption(grid[0][0], "A range test: the learning rate rises from step to step", y=SEEN["loss"])
    last.set_xlabel("learning rate of Adam", fontsize=9.5)
    band = key("suggested range", color=color_of("ewma-t"), alpha=0.3, linewidth=8)
    middle = key("chosen by --lr auto", color=REFERENCE, linestyle="--")
    legend_below(figure, [key("a seed", color=color), band, middle])
    return figure


STUDY = Study(
    name="learning-rate",
    shows="What the learning rate does to loss, gradient and weights of the stock network",
    task=(
        "The stock network on the bundled prices: a range test over 100 batches, its loss on "
        "validation windows, and whole trainings at fixed learning rates"
    ),
    claims={
        "range": Claim(
            "A range test finds the learning rates that train well",
            "the rates between which the loss falls",
            "Smith 2017",
        ),
        "ratio": Claim(
            "A good learning rate changes the weights by about a thousandth per step",
            "about 1e-3",
            "a rule of thumb, as in Karpathy's CS231n notes",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full={"rates": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1], "epochs": 30},
    quick={"rates": [1e-3, 1e-2], "epochs": 2},
)
