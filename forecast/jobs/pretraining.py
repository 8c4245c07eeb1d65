"""Make the network that comes with the project: train, score where it never looked, write."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast import runs
from forecast.counts import counted
from forecast.evaluation.backtest import Backtest, make_cutoffs, walk_forward
from forecast.evaluation.scores import scores, summary
from forecast.evaluation.significance import skill_table
from forecast.jobs.card import card_text
from forecast.jobs.comparing import RIVALS, best_rival, train_seeds
from forecast.jobs.loading import load_members
from forecast.jobs.prepare import Prepared
from forecast.jobs.pretrained import ONNX_FILE
from forecast.jobs.terminal import Terminal
from forecast.jobs.versions import versions
from forecast.models.base import Forecaster
from forecast.models.baselines import BASELINES
from forecast.models.shown import Alone, ByTicker, Recent
from forecast.prices import Panel, load_prices, merge
from forecast.prices.storing import describe
from forecast.settings import OutputSettings, PriceSettings, Settings
from forecast.training import Ensemble, NeuralForecaster
from forecast.training.exporting import export
from forecast.training.pretrained import file_of, save_bare
from forecast.windows import BURN_IN, drop_short_tickers, make_splits

#: The data sets it learns from; a ticker in both is taken from the first.
SOURCES = ("sp500", "bundled")
#: What it is, beside the split: closes, because one of the sets has nothing else.
CHOICES = {"cell": ("lstm",), "units": 32, "lookback": 120, "solo": True, "closes_only": True}
#: Groups of stocks; each is also scored by networks that never saw it.
GROUPS = 4
#: The short history that must do, and the sessions between two origins it is scored at.
SHORT, SHORT_STEP = 60, 20


def pretrain(settings: Settings, folder: Path, terminal: Terminal) -> None:
    """Train every seed; write the networks, also as ONNX, and ``manifest.json`` to `folder`."""
    prepared, parts = load_sources(settings)
    terminal.heading(
        f"Training {counted(settings.seeds, 'network')} on "
        f"{counted(len(prepared.panel.tickers), 'stock')}"
    )
    networks = train(settings, prepared)
    (folder / "models").mkdir(parents=True, exist_ok=True)
    for network in networks:
        save_bare(network.network_, folder / file_of(network.seed))
    elsewhere = {*PriceSettings.model_fields, *OutputSettings.model_fields}
    names = [file_of(network.seed) for network in networks]
    manifest = {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "settings": settings.model_dump(mode="json", exclude=elsewhere, exclude_none=True),
        "data": describe(prepared.panel),
        "sources": {part.source: part.sha256 for part in parts},
        "splits": prepared.splits.dates(prepared.panel),
        "last_training_date": f"{prepared.until:%Y-%m-%d}",
        "seeds": [network.seed for network in networks],
        "need_sessions": BURN_IN + settings.warmup + 1,
        "params": networks[0].network_.count_params(),
        "versions": versions(),
        "files": {name: runs.file_sha256(folder / name) for name in names},
    }
    runs.write_json(folder / "manifest.json", manifest)
    add_onnx(settings, folder, terminal)


def add_onnx(settings: Settings, folder: Path, terminal: Terminal) -> None:
    """Write the networks of `folder` as one ONNX file beside them; its hash goes to the manifest.

    The card, where there is one, is written again. Raises InputError when a package is missing.
    """
    manifest = runs.read_json(folder / "manifest.json")
    model = Ensemble(load_members(settings, folder, manifest["seeds"]))
    export(model, folder / ONNX_FILE, "onnx")
    manifest["files"][ONNX_FILE] = runs.file_sha256(folder / ONNX_FILE)
    runs.write_json(folder / "manifest.json", manifest)
    if (folder / "CARD.md").exists():
        runs.write_atomic(folder / "CARD.md", card_text(manifest))
    terminal.path(folder)


def add_scores(settings: Settings, folder: Path, terminal: Terminal) -> None:
    """Score on the test part of `settings`; adds to the manifest of `folder`, writes ``CARD.md``.

    The networks of `folder` are scored when their training ends where that test part begins. With
    earlier borders it is a rehearsal: others of the same recipe are trained up to there and scored.
    """
    prepared, parts = load_sources(settings)
    terminal.heading(f"Scoring from {prepared.test_start:%Y-%m-%d} on")
    manifest = runs.read_json(folder / "manifest.json")
    until = f"{prepared.until:%Y-%m-%d}"
    rehearsal = until != manifest["last_training_date"]
    if rehearsal:
        networks = train(settings, prepared)
    else:
        networks = load_members(settings, folder, manifest["seeds"])
    found = score(settings, prepared, networks, parts[0])
    manifest["scores"] = found | {"last_training_date": until}
    runs.write_json(folder / "manifest.json", manifest)
    runs.write_atomic(folder / "CARD.md", card_text(runs.read_json(folder / "manifest.json")))
    terminal.path(folder / "CARD.md")


def load_sources(settings: Settings) -> tuple[Prepared, list[Panel]]:
    """The panel of all sources with its splits, and the panel of each."""
    parts = [
        load_prices(PriceSettings.model_validate({"source": source, "end": settings.end}))[0]
        for source in SOURCES
    ]
    panel, notes = drop_short_tickers(merge(parts), settings, ())
    return Prepared(panel, make_splits(panel, settings), notes), parts


def train(settings: Settings, prepared: Prepared) -> list[NeuralForecaster]:
    """One network per seed, on the tickers of the panel; its market is whatever it is shown."""
    networks = train_seeds(settings, prepared)
    for network in networks:
        network.market_ = ()
    return networks


def score(
    settings: Settings, prepared: Prepared, networks: Sequence[NeuralForecaster], panel: Panel
) -> dict[str, Any]:
    """Scores on the test part of `panel`: together, alone, never seen, with a short history."""
    horizons, model = settings.scored_horizons, Ensemble(networks)
    rivals = {name: BASELINES[name]().fit(panel, prepared.until) for name in RIVALS}
    cutoffs = make_cutoffs(panel, prepared.test_start, horizon=settings.horizon)
    ways: dict[str, Forecaster] = {
        "together": model,
        "alone": Alone(model),
        "alone, never seen": unseen(settings, prepared, panel.tickers),
    }
    result = _scores(walk_forward({**ways, **rivals}, panel, cutoffs, horizons), panel, list(ways))
    every = cutoffs["cutoff"].drop_duplicates().iloc[::SHORT_STEP]
    few = cutoffs[cutoffs["cutoff"].isin(every)]
    short = {f"alone, {SHORT} sessions": Recent(Alone(model), SHORT)}
    prior = {"ewma-t": Recent(rivals["ewma-t"], SHORT)}
    backtest = walk_forward({**short, **prior}, panel, few, horizons)
    few_scores = _skill(backtest, panel, list(short), list(prior))
    return result | {"short": few_scores | {"sessions": SHORT, "step": SHORT_STEP}}


def unseen(settings: Settings, prepared: Prepared, tickers: Sequence[str]) -> ByTicker:
    """Each ticker forecast alone, by one network trained without it and others of its group."""
    one = settings.model_copy(update={"seeds": 1})
    models: dict[str, Forecaster] = {}
    everything = prepared.panel
    for group in np.array_split(np.array(tickers), GROUPS):
        kept = [ticker for ticker in everything.tickers if ticker not in set(group)]
        rest = everything.select(kept)
        model = Alone(train(one, Prepared(rest, make_splits(rest, settings), []))[0])
        models |= dict.fromkeys(group.tolist(), model)
    return ByTicker(models)


def _scores(backtest: Backtest, panel: Panel, ways: list[str]) -> dict[str, Any]:
    table = scores(backtest, panel)
    means = summary(table)
    years = summary(table.assign(year=table["cutoff"].dt.year), by=("model", "h", "year"))
    best = best_rival(means)
    return {
        "first_origin": f"{backtest.cutoffs['cutoff'].min():%Y-%m-%d}",
        "last_origin": f"{backtest.cutoffs['cutoff'].max():%Y-%m-%d}",
        "origins": len(backtest.cutoffs),
        "tickers": int(backtest.cutoffs["unique_id"].nunique()),
        "crps": _records(means[["model", "h", "crps", "coverage_90"]]),
        "best_rival": {str(h): str(name) for h, name in best["name"].items()},
        "skill": _skill_records(table, ways, RIVALS),
        "by_year": _by_year(years, ways),
    }


def _skill(backtest: Backtest, panel: Panel, ways: list[str], rivals: list[str]) -> dict[str, Any]:
    table = scores(backtest, panel)
    means = summary(table)
    return {
        "origins": len(backtest.cutoffs),
        "crps": _records(means[["model", "h", "crps", "coverage_90"]]),
        "skill": _skill_records(table, ways, rivals),
    }


def _skill_records(
    table: pd.DataFrame, ways: Sequence[str], rivals: Sequence[str]
) -> list[dict[str, Any]]:
    columns = ["model", "baseline", "h", "crps_skill", "p_value", "verdict"]
    return _records(skill_table(table, ways, rivals)[columns])


def _by_year(years: pd.DataFrame, ways: Sequence[str]) -> list[dict[str, Any]]:
    """CRPS skill of each way against EWMA-t by year and horizon."""
    wide = years.pivot_table(values="crps", index=["year", "h"], columns="model", observed=True)
    skill = 1 - wide[list(ways)].div(wide["ewma-t"], axis=0)
    tall = skill.reset_index().melt(["year", "h"], var_name="model", value_name="crps_skill")
    return _records(tall)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.astype({"model": str}).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
