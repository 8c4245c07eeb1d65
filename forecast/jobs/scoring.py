"""From a backtest to the files of its scores, the pictures of them, and the verdict."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forecast import runs
from forecast.counts import counted
from forecast.evaluation.backtest import Backtest, forecast_frame, quantile_frame
from forecast.evaluation.conformal import SUFFIX
from forecast.evaluation.report import metrics_json
from forecast.evaluation.scorecard import Scorecard, make_scorecard, with_conformal
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.jobs.verdicts import say_verdicts
from forecast.models.baselines import BASELINES
from forecast.plots import plot_pit, plot_reliability, plot_skill, save

#: The baseline whose PIT histogram stands beside the networks': the one they start from.
BESIDE = "ewma-t"


def score_into(
    folder: Path,
    manifest: Mapping[str, Any],
    prepared: Prepared,
    backtest: Backtest,
    facts: Mapping[str, dict[str, Any]],
    terminal: Terminal,
) -> None:
    """Score a backtest; write frames, metrics and plots into `folder` and print the verdict.

    `manifest` is that of the run or the walk, `facts` what metrics.json says of each network beside
    its scores.
    """
    panel, networks = prepared.panel, list(facts)
    baselines = [name for name in BASELINES if name in backtest.models]
    with terminal.stage("scoring"):
        whole = with_conformal(backtest, panel, networks)
        card = make_scorecard(whole, panel, prepared.until, networks, baselines)
    adjusted = [name + SUFFIX for name in networks]
    told = whole.select([*networks, *adjusted, *baselines])
    metrics = metrics_json(card)
    for name, more in facts.items():
        metrics["models"][name] = {**more, **metrics["models"][name]}
    metrics |= {name: manifest[name] for name in ("data", "splits", "backtest")}

    runs.write_frame(folder / "forecasts.parquet", forecast_frame(told, panel))
    runs.write_frame(folder / "log_returns.parquet", quantile_frame(told))
    card.write(folder)
    runs.write_json(folder / "metrics.json", metrics)
    draw_scores(folder / "plots", card)
    left = len(backtest.cutoffs) - card.means["origins"].max()
    if left:
        terminal.line(
            f"  {left:,} of {counted(len(backtest.cutoffs), 'origin')} not scored: a model had too "
            "little history there"
        )
    terminal.data(**metrics)
    say_verdicts(card, panel.scale, terminal)


def draw_scores(folder: Path, card: Scorecard) -> None:
    """Draw reliability, PIT histograms and skill."""
    folder.mkdir(exist_ok=True)
    calibration = card.calibration
    save(plot_reliability(calibration), folder / "reliability.png")
    save(plot_skill(card.significance), folder / "skill.png")
    shown = calibration[calibration["model"].isin([*card.networks, BESIDE])]
    save(plot_pit(shown), folder / "pit.png")
