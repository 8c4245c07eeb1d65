"""`forecast evaluate`: walk forward over the test part, score, and say who was better."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import runs
from forecast.errors import InputError
from forecast.evaluation.backtest import (
    Backtest,
    forecast_frame,
    quantile_frame,
    walk_forward,
)
from forecast.evaluation.calibration import reliability
from forecast.evaluation.folds import make_folds
from forecast.evaluation.report import metrics_json
from forecast.evaluation.scores import scores, summary
from forecast.evaluation.significance import skill_table
from forecast.jobs.fans import unit_of, write_fans
from forecast.jobs.loading import load_networks
from forecast.jobs.prepare import Prepared, prepare
from forecast.jobs.refitting import refitted, schedule_of
from forecast.jobs.reporting import add_report
from forecast.jobs.terminal import Terminal
from forecast.models.base import Forecaster
from forecast.models.baselines import BASELINES
from forecast.plots import plot_reliability, plot_skill, save
from forecast.prices import Panel
from forecast.settings import BacktestSettings, Settings
from forecast.training import Ensemble


def evaluate(run: Path, walk: BacktestSettings, terminal: Terminal) -> Path:
    """Score a saved run again on the same prices; rewrites its forecasts, scores and plots.

    With ``walk.refit_every`` the networks are trained anew in every fold. Raises InputError when
    the run or its prices changed since it was trained.
    """
    settings, prepared, models = open_run(run, terminal)
    known = runs.read_json(run / "metrics.json")["models"]
    facts: dict[str, dict[str, Any]] = {cell: known[cell] for cell in models}
    backtest = (
        refitted(run, settings, prepared, walk, terminal)
        if walk.refit_every
        else once(settings, prepared, models, walk, terminal)
    )
    score_into(run, settings, prepared, backtest, facts, terminal)
    write_fans(run, prepared, models, settings.horizon)
    if not settings.no_report:
        add_report(run, terminal)
    terminal.path(run)
    return run


def open_run(run: Path, terminal: Terminal) -> tuple[Settings, Prepared, dict[str, Ensemble]]:
    """Settings, prices and networks of a run; InputError when the prices are not the same."""
    settings = runs.read_settings(run)
    prepared = prepare(settings, terminal)
    if prepared.panel.sha256 != runs.read_json(run / "manifest.json")["data"]["sha256"]:
        raise InputError(
            f"the prices from source {settings.source} are not those the run was trained on "
            "(other SHA-256): its test scores would not be comparable; train again."
        )
    return settings, prepared, load_networks(run, settings)


def once(
    settings: Settings,
    prepared: Prepared,
    models: Mapping[str, Forecaster],
    walk: BacktestSettings,
    terminal: Terminal,
) -> Backtest:
    """Walk fitted networks and the baselines over the test part; nothing is refitted."""
    panel = prepared.panel
    first = panel.sessions[min(prepared.splits.test[0] + walk.embargo, len(panel.sessions) - 1)]
    fold = make_folds(panel, first, None, schedule_of(settings, walk))[0]
    cutoffs = fold.cutoffs(panel)
    terminal.heading(
        f"Walking forward: {len(cutoffs):,} origins from {fold.first:%Y-%m-%d} to "
        f"{fold.last:%Y-%m-%d}, horizons {', '.join(map(str, settings.scored_horizons))} sessions"
    )
    baselines = {name: BASELINES[name]().fit(panel, prepared.until) for name in BASELINES}
    return walk_forward({**models, **baselines}, panel, cutoffs, settings.scored_horizons)


def score_into(
    folder: Path,
    settings: Settings,
    prepared: Prepared,
    backtest: Backtest,
    facts: Mapping[str, dict[str, Any]],
    terminal: Terminal,
) -> None:
    """Score a backtest; write frames, metrics and plots into `folder` and print the verdict.

    `facts` is what metrics.json says of each network beside its scores.
    """
    panel = prepared.panel
    table = scores(backtest, panel)
    means = summary(table)
    skill = skill_table(table, list(facts), list(BASELINES))
    calibration = reliability(backtest)
    metrics = metrics_json(means, skill)
    for name, more in facts.items():
        metrics["models"][name] = {**more, **metrics["models"][name]}
    manifest = runs.read_json(folder / "manifest.json")
    metrics |= {"data": manifest["data"], "splits": manifest["splits"]}

    runs.write_frame(folder / "forecasts.parquet", forecast_frame(backtest, panel))
    runs.write_frame(folder / "log_returns.parquet", quantile_frame(backtest))
    runs.write_frame(folder / "significance.csv", skill)
    runs.write_frame(folder / "calibration.csv", calibration)
    runs.write_json(folder / "metrics.json", metrics)
    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    save(plot_reliability(calibration), plots / "reliability.png")
    save(plot_skill(skill), plots / "skill.png")
    say_scores(means, skill, panel, terminal)


def say_scores(means: pd.DataFrame, skill: pd.DataFrame, panel: Panel, terminal: Terminal) -> None:
    """Print the table one can act on: scores by horizon, then verdicts against each baseline."""
    factor, crps_unit = (1e4, "1e-4 log return") if panel.scale == "log" else (1, "value")
    horizons = sorted(means["h"].unique())
    shown = {
        "crps": ("CRPS", factor, ".2f"),
        "mae": ("MAE", 1, ".3f"),
        "coverage_90": ("90 %", 100, ".1f"),
        "direction": ("sign", 100, ".1f"),
    }
    wide = means.pivot_table(
        values=list(shown), index="model", columns="h", observed=True, dropna=False
    )
    terminal.table(
        f"Test part, {means['origins'].max():,} origins, by sessions ahead: CRPS ({crps_unit}, "
        f"lower is better), MAE of the median ({unit_of(panel)}), share of outcomes in the 90 % "
        "band (%), share of signs of the return forecast right (%)",
        ("", *(f"{name} {h}" for name, _, _ in shown.values() for h in horizons)),
        [
            (
                str(model),
                *(
                    f"{row[column, h] * unit:{form}}" if pd.notna(row[column, h]) else "–"
                    for column, (_, unit, form) in shown.items()
                    for h in horizons
                ),
            )
            for model, row in wide.sort_values(("crps", horizons[0])).iterrows()
        ],
    )
    terminal.table(
        "Verdict by sessions ahead: CRPS skill (%), Diebold–Mariano p; a market day counts once",
        ("", *map(str, horizons)),
        [
            (f"{model} against {baseline}", *(_verdict(row) for row in rows.to_dict("records")))
            for (model, baseline), rows in skill.groupby(["model", "baseline"], sort=False)
        ],
    )


def _verdict(row: Mapping[Any, Any]) -> str:
    p_value = f"p {row['p_value']:.3f}" if pd.notna(row["p_value"]) else row["reason"]
    return f"{100 * row['crps_skill']:+.2f} {p_value} {row['verdict']}"
