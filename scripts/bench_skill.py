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
from forecast.jobs.prepare import Prepared, prepare
from forecast.jobs.terminal import Terminal
from forecast.models.baselines import BASELINES
from forecast.plots import plot_skill, save
from forecast.settings import Settings
from forecast.training import Ensemble, NeuralForecaster

RIVALS = ("history-250", "history-1000", "ewma-t", "garch-t", "gjr")
SPLIT = {"validation_start": "2013-01-01", "test_start": "2016-01-01"}


def train(settings: Settings, prepared: Prepared) -> list[NeuralForecaster]:
    """One network per seed."""
    day = prepared.validation_start.date()
    seeds = range(settings.seed, settings.seed + settings.seeds)
    networks = [NeuralForecaster(settings, "lstm", seed, day) for seed in seeds]
    return [network.fit(prepared.panel, prepared.until) for network in networks]


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

    split = SPLIT if arguments.source == "sp500" else {}
    settings = Settings.model_validate(
        {"source": arguments.source, "cell": ("lstm",), "seeds": arguments.seeds, **split}
    )
    terminal = Terminal()
    prepared = prepare(settings, terminal)
    networks = train(settings, prepared)
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
        "crps_1e4": _by_horizon(means, "crps", 1e4),
        "coverage_90": _by_horizon(means, "coverage_90", 1),
        "skill": json.loads(skill.to_json(orient="records")),
        "skill_of_best": _against_best(means),
        "cost": cost(networks, prepared, settings.horizon),
    }
    _say(result, skill, terminal)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    save(plot_skill(skill), arguments.json.with_suffix(".png"))
    print(f"written: {arguments.json} and {arguments.json.with_suffix('.png')}")


def _by_horizon(means: pd.DataFrame, column: str, unit: float) -> dict[str, dict[str, float]]:
    wide = means.pivot_table(values=column, index="model", columns="h", observed=True) * unit
    return {
        str(model): {str(h): float(v) for h, v in row.items()} for model, row in wide.iterrows()
    }


def _against_best(means: pd.DataFrame) -> dict[str, float]:
    """Skill of the ensemble against whichever baseline is best at the horizon, in per cent."""
    wide = means.pivot_table(values="crps", index="model", columns="h", observed=True)
    best = wide.loc[list(RIVALS)].min()
    return {str(h): float(100 * (1 - wide.loc["lstm", h] / best[h])) for h in wide.columns}


def _say(result: dict[str, Any], skill: pd.DataFrame, terminal: Terminal) -> None:
    rows = [
        (model, *(f"{v:.2f}" for v in by_h.values()),
         *(f"{100 * v:.1f}" for v in result["coverage_90"][model].values()))
        for model, by_h in result["crps_1e4"].items()
    ]  # fmt: skip
    horizons = list(result["skill_of_best"])
    header = ("", *(f"CRPS {h}" for h in horizons), *(f"90 % covers {h}" for h in horizons))
    terminal.table(f"CRPS (1e-4 log return), {result['origins']:,} test origins", header, rows)
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
