"""CRPS of the network against the best baselines on 20 stocks, 2016 to 2022, seen once.

    python scripts/bench_skill.py [--source sp500|bundled] [--seeds 3] [--json skill.json]

One training per seed, no refit: train to 2012, validate 2013 to 2015 (the bundled set: its default
split), or by `--validation-start, --test-start, --end`. Prints CRPS by horizon, skill of the
ensemble against each baseline with Diebold–Mariano p-values, coverage of the 90 % band, and what it
cost. Writes JSON and the skill plot beside it; `--page docs/skill.md` puts them on the page.
"""

import json
import logging
import os
import time
from typing import Any

import pandas as pd

from forecast.evaluation.backtest import make_cutoffs, walk_forward
from forecast.evaluation.scores import scores, summary
from forecast.evaluation.significance import skill_table
from forecast.jobs.comparing import (
    RIVALS,
    by_horizon,
    make_parser,
    say_crps,
    say_skill,
    settings_of,
    skill_of_best,
    train_seeds,
    write_result,
)
from forecast.jobs.prepare import Prepared, prepare
from forecast.jobs.skill_page import name_of
from forecast.jobs.terminal import Terminal
from forecast.models.baselines import BASELINES
from forecast.plots import plot_skill
from forecast.settings import Settings
from forecast.training import Ensemble, NeuralForecaster


def cost(networks: list[NeuralForecaster], prepared: Prepared, horizon: int) -> dict[str, Any]:
    """Seconds to beat the EWMA-t on validation, to the best epoch, and to forecast every origin."""
    first = [n.history_[n.history_["val_loss"] < n.prior_crps_]["seconds"].min() for n in networks]
    best = [n.history_.loc[n.history_["val_loss"].idxmin(), "seconds"] for n in networks]
    cutoffs = make_cutoffs(prepared.panel, prepared.test_start)
    began = time.perf_counter()
    networks[0].forecast(prepared.panel, cutoffs, tuple(range(1, horizon + 1)))
    return {
        "seconds_to_beat_ewma_on_validation": first,
        "seconds_to_best": best,
        "fit_seconds": [n.fit_seconds_ for n in networks],
        "validation_crps": [float(n.history_["val_loss"].min()) for n in networks],
        "ewma_validation_crps": networks[0].prior_crps_,
        "forecast_seconds": time.perf_counter() - began,
        "forecast_origins": len(cutoffs),
    }


def measure(settings: Settings, terminal: Terminal) -> tuple[dict[str, Any], pd.DataFrame]:
    """Train, walk forward and score; the result for the JSON file and the skill table."""
    prepared = prepare(settings, terminal)
    networks = train_seeds(settings, prepared)
    rivals = {name: BASELINES[name]().fit(prepared.panel, prepared.until) for name in RIVALS}
    singles = {f"seed {n.seed}": n for n in networks}
    cutoffs = make_cutoffs(prepared.panel, prepared.test_start, horizon=settings.horizon)
    models = {"lstm": Ensemble(networks), **singles, **rivals}
    table = scores(
        walk_forward(models, prepared.panel, cutoffs, settings.scored_horizons), prepared.panel
    )
    means, skill = summary(table), skill_table(table, ["lstm"], RIVALS)
    splits = prepared.splits.dates(prepared.panel)
    result = {
        "benchmark": "skill",
        "name": name_of(settings.source, splits),
        "source": settings.source,
        "splits": splits,
        "tickers": len(prepared.panel.tickers),
        "horizon": settings.horizon,
        "origins": len(cutoffs),
        "crps_1e4": by_horizon(means, "crps", 1e4),
        "coverage_90": by_horizon(means, "coverage_90"),
        "skill": json.loads(skill.to_json(orient="records")),
        "skill_of_best": skill_of_best(means, "lstm"),
        "cost": cost(networks, prepared, settings.horizon),
        "cores": len(os.sched_getaffinity(0)),
    }
    return result, skill


def main() -> None:
    """Parse, measure, print, write."""
    arguments = make_parser(__doc__, "skill", seeds=3).parse_args()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)

    settings, terminal = settings_of(arguments), Terminal()
    result, skill = measure(settings, terminal)
    _say(result, skill, terminal)
    write_result(result, arguments, plot_skill(skill))


def _say(result: dict[str, Any], skill: pd.DataFrame, terminal: Terminal) -> None:
    say_crps(result, terminal)
    best = ("the best of them", *(f"{v:+.2f}" for v in result["skill_of_best"].values()))
    say_skill(skill, RIVALS, terminal, [best])
    for name, value in result["cost"].items():
        told = value if isinstance(value, list) else [value]
        terminal.line(f"  {name.replace('_', ' ')}: {', '.join(f'{v:.4g}' for v in told)}")


if __name__ == "__main__":
    main()
