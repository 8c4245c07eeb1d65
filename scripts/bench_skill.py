"""CRPS of the network against the best baselines on 20 stocks, 2016 to 2022, seen once.

    python scripts/bench_skill.py [--source sp500|bundled] [--seeds 3] [--json skill.json]

One training per seed, no refit: train to 2012, validate 2013 to 2015 (the bundled set: its default
split). Prints CRPS by horizon, skill of the ensemble against each baseline with Diebold–Mariano
p-values, coverage of the 90 % band, and what it cost. Writes JSON and the skill plot beside it.
"""

import argparse
import json
import logging
import time
from pathlib import Path
from typing import Any

import pandas as pd

from forecast.evaluation.backtest import make_cutoffs, walk_forward
from forecast.evaluation.scores import scores, summary
from forecast.evaluation.significance import skill_table
from forecast.jobs.comparing import (
    RIVALS,
    by_horizon,
    say_crps,
    skill_of_best,
    split_of,
    train_seeds,
)
from forecast.jobs.prepare import Prepared, prepare
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


def main() -> None:
    """Train, walk forward, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", choices=["sp500", "bundled"], default="sp500")
    parser.add_argument("--seeds", type=int, default=3, help="networks in the ensemble")
    parser.add_argument("--json", type=Path, default=Path("skill.json"), help="where to write")
    arguments = parser.parse_args()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)

    split = split_of(arguments.source)
    settings = Settings.model_validate(
        {"source": arguments.source, "cell": ("lstm",), "seeds": arguments.seeds, **split}
    )
    terminal = Terminal()
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
    result = {
        "source": arguments.source,
        "origins": len(cutoffs),
        "crps_1e4": by_horizon(means, "crps", 1e4),
        "coverage_90": by_horizon(means, "coverage_90"),
        "skill": json.loads(skill.to_json(orient="records")),
        "skill_of_best": skill_of_best(means, "lstm"),
        "cost": cost(networks, prepared, settings.horizon),
    }
    _say(result, skill, terminal)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    save(plot_skill(skill), arguments.json.with_suffix(".png"))
    print(f"written: {arguments.json} and {arguments.json.with_suffix('.png')}")


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
