"""CRPS of the network against the best baselines on 20 stocks, 2016 to 2022, seen once.

    python scripts/bench_skill.py [--source sp500|bundled] [--seeds 3] [--json skill.json]

One training per seed, no refit: train to 2012, validate 2013 to 2015 (the bundled set: its default
split), or by `--validation-start, --test-start, --end`. Prints CRPS by horizon, skill of the
ensemble against each baseline with Diebold–Mariano p-values, coverage of the 90 % band, and what it
cost. Writes JSON and the skill plot beside it; `--page docs/skill.md` puts them on the page.
"""

import argparse
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import runs
from forecast.evaluation.backtest import make_cutoffs, walk_forward
from forecast.evaluation.scores import scores, summary
from forecast.evaluation.significance import skill_table
from forecast.jobs.comparing import (
    RIVALS,
    add_split,
    by_horizon,
    say_crps,
    settings_of,
    skill_of_best,
    told,
    train_seeds,
)
from forecast.jobs.prepare import Prepared, prepare
from forecast.jobs.skill_page import name_of, publish
from forecast.jobs.terminal import Terminal
from forecast.models.baselines import BASELINES
from forecast.plots import plot_skill, save
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_split(parser)
    parser.add_argument("--seeds", type=int, default=3, help="networks in the ensemble")
    parser.add_argument("--json", type=Path, default=Path("skill.json"), help="where to write")
    parser.add_argument("--page", type=Path, help="page to put the result on")
    arguments = parser.parse_args()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)

    settings, terminal = settings_of(arguments), Terminal()
    result, skill = measure(settings, terminal)
    _say(result, skill, terminal)
    figure = arguments.json.with_suffix(".png")
    runs.write_json(arguments.json, result)
    save(plot_skill(skill), figure)
    print(f"written: {arguments.json} and {figure}")
    if arguments.page:
        publish({**result, "arguments": told(arguments)}, figure, arguments.page)
        print(f"written: {arguments.page}")


def _say(result: dict[str, Any], skill: pd.DataFrame, terminal: Terminal) -> None:
    say_crps(result, terminal)
    horizons = list(result["skill_of_best"])
    terminal.table(
        "Skill of the ensemble (%), Diebold–Mariano p",
        ("against", *horizons),
        [
            (rival, *(f"{100 * r['crps_skill']:+.2f} (p {r['p_value']:.3f})" for r in of))
            for rival, of in (
                (rival, skill[skill["baseline"] == rival].to_dict("records")) for rival in RIVALS
            )
        ]
        + [("the best of them", *(f"{v:+.2f}" for v in result["skill_of_best"].values()))],
    )
    for name, value in result["cost"].items():
        told = value if isinstance(value, list) else [value]
        terminal.line(f"  {name.replace('_', ' ')}: {', '.join(f'{v:.4g}' for v in told)}")


if __name__ == "__main__":
    main()
