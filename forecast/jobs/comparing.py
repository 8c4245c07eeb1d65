"""What the benchmarks share: rivals, splits, one network per seed, scores by horizon."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecast import runs
from forecast.jobs.prepare import Prepared
from forecast.jobs.skill_page import publish
from forecast.jobs.terminal import Terminal
from forecast.jobs.verdicts import p_value
from forecast.plots import save
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


def make_parser(about: str | None, name: str, seeds: int) -> ArgumentParser:
    """What a benchmark can be asked: prices, the borders of their parts, seeds, where to write."""
    parser = ArgumentParser(description=about, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=["sp500", "bundled"], default="sp500")
    for asked, meaning in ASKED.items():
        parser.add_argument(f"--{asked.replace('_', '-')}", metavar="DAY", help=meaning)
    parser.add_argument("--seeds", type=int, default=seeds, help="networks of ours, averaged")
    parser.add_argument("--json", type=Path, default=Path(f"{name}.json"), help="where to write")
    parser.add_argument("--page", type=Path, help="page to put the result on")
    return parser


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


def say_skill(
    skill: pd.DataFrame,
    baselines: Sequence[str],
    terminal: Terminal,
    more: Sequence[Sequence[str]] = (),
) -> None:
    """Print the CRPS skill of ours against every baseline; `more` are further rows."""
    horizons = sorted(skill["h"].unique())
    rows = [(name, *_said(skill[skill["baseline"] == name])) for name in baselines]
    title = "CRPS skill of ours (%), Diebold–Mariano p; a market day counts once"
    terminal.table(title, ("against", *map(str, horizons)), [*rows, *more])


def write_result(
    result: dict[str, Any], arguments: Namespace, figure: Axes | Figure | None = None
) -> None:
    """Write the JSON file, the figure beside it, and the page where one is asked for."""
    runs.write_json(arguments.json, result)
    written = [arguments.json]
    if figure is not None:
        written.append(save(figure, arguments.json.with_suffix(".png")))
    if arguments.page:
        beside = written[1] if figure is not None else None
        publish({**result, "arguments": told(arguments)}, beside, arguments.page)
        written.append(arguments.page)
    print(f"written: {', '.join(map(str, written))}")


def _said(rows: pd.DataFrame) -> Iterator[str]:
    for row in rows.sort_values("h").to_dict("records"):
        yield f"{100 * row['crps_skill']:+.2f} ({p_value(row['p_value'])})"


def _wide(means: pd.DataFrame, column: str) -> pd.DataFrame:
    return means.pivot_table(values=column, index="model", columns="h", observed=True)
