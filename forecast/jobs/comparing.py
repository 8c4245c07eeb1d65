"""What the benchmarks share: rivals, splits, one network per seed, scores by horizon."""

from argparse import ArgumentParser, Namespace
from typing import Any

import pandas as pd

from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.settings import Settings
from forecast.training import NeuralForecaster

#: The baselines of the field that a forecast of stocks has to beat.
RIVALS = ("history-250", "history-1000", "ewma-t", "garch-t", "gjr")
#: The 20-stock set: train to 2012, validate 2013 to 2015, test from 2016.
SPLIT = {"validation_start": "2013-01-01", "test_start": "2016-01-01"}


#: What a benchmark can be asked to score, with the flag's help.
ASKED = {
    "validation_start": "first validation session",
    "test_start": "first test session",
    "end": "last session to use",
}


def add_split(parser: ArgumentParser) -> None:
    """Let a benchmark take a source and the borders of its parts."""
    parser.add_argument("--source", choices=["sp500", "bundled"], default="sp500")
    for name, meaning in ASKED.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="DAY", help=meaning)


def settings_of(arguments: Namespace) -> Settings:
    """Settings of a benchmark: borders that are given, else those of the source."""
    standard = SPLIT if arguments.source == "sp500" else {}
    given = {name: day for name in ASKED if (day := getattr(arguments, name)) is not None}
    rest = {"source": arguments.source, "cell": ("lstm",), "seeds": arguments.seeds}
    return Settings.model_validate({**rest, **standard, **given})


def told(arguments: Namespace) -> str:
    """Return the flags that say what was scored, as one types them."""
    flags = {name: getattr(arguments, name) for name in ("source", *ASKED, "seeds")}
    return " ".join(f"--{k.replace('_', '-')} {v}" for k, v in flags.items() if v is not None)


def train_seeds(settings: Settings, prepared: Prepared) -> list[NeuralForecaster]:
    """One trained network per seed, none of them looking past the validation part."""
    day = prepared.validation_start.date()
    seeds = range(settings.seed, settings.seed + settings.seeds)
    networks = [NeuralForecaster(settings, "lstm", seed, day) for seed in seeds]
    return [network.fit(prepared.panel, prepared.until) for network in networks]


def by_horizon(means: pd.DataFrame, column: str, unit: float = 1) -> dict[str, dict[str, float]]:
    """Return ``{model: {horizon: mean}}`` of one column of `summary`, times `unit`."""
    wide = _wide(means, column) * unit
    return {
        str(model): {str(h): float(v) for h, v in row.items()} for model, row in wide.iterrows()
    }


def best_rival(means: pd.DataFrame) -> pd.DataFrame:
    """Name and CRPS of the best rival at each horizon: index h, columns ``name, crps``."""
    rivals = _wide(means, "crps").loc[list(RIVALS)]
    return pd.DataFrame({"name": rivals.idxmin(), "crps": rivals.min()})


def skill_of_best(means: pd.DataFrame, model: str) -> dict[str, float]:
    """Skill of a model against whichever rival is best at the horizon, in per cent."""
    best, own = best_rival(means)["crps"], _wide(means, "crps").loc[model]
    return {str(h): float(100 * (1 - own[h] / best[h])) for h in best.index}


def say_crps(result: dict[str, Any], terminal: Terminal) -> None:
    """Print the CRPS and the coverage of every model: ``origins, crps_1e4, coverage_90``."""
    crps, coverage = result["crps_1e4"], result["coverage_90"]
    horizons = list(next(iter(crps.values())))
    terminal.table(
        f"CRPS (1e-4 log return), {result['origins']:,} test origins",
        ("", *(f"CRPS {h}" for h in horizons), *(f"90 % covers {h}" for h in horizons)),
        [
            (model, *(f"{crps[model][h]:.2f}" for h in horizons),
             *(f"{100 * coverage[model][h]:.1f}" for h in horizons))
            for model in crps
        ],
    )  # fmt: skip


def _wide(means: pd.DataFrame, column: str) -> pd.DataFrame:
    return means.pivot_table(values=column, index="model", columns="h", observed=True)
