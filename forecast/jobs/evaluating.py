"""`forecast evaluate`: walk forward over the test part, score, and say who was better."""

from pathlib import Path
from typing import Any

from forecast import runs
from forecast.command_settings import BacktestSettings, EngineSettings
from forecast.drafts import rewritten
from forecast.errors import InputError
from forecast.jobs.fans import write_fans
from forecast.jobs.loading import load_networks
from forecast.jobs.prepare import Prepared, prepare
from forecast.jobs.refitting import folder_of, open_backtest, refitted
from forecast.jobs.reporting import add_report
from forecast.jobs.scoring import score_into
from forecast.jobs.terminal import Terminal
from forecast.jobs.walking import once
from forecast.jobs.workers import workers
from forecast.settings import Settings
from forecast.training import Ensemble
from forecast.training.devices import fix_order

#: Fold after fold, in this process.
HERE = EngineSettings()


def evaluate(
    run: Path, walk: BacktestSettings, terminal: Terminal, how: EngineSettings = HERE
) -> Path:
    """Score a saved run again on the same prices; return the folder of the scores.

    The walk of the run itself rewrites its forecasts, scores and plots; any other has a folder
    ``backtest/…`` in it. With ``walk.refit_every`` the networks are trained anew in every fold,
    on the engine asked for.
    Nothing is changed in the folder before all is there. Raises InputError when the run or its
    prices changed since it was trained, and when another process is at the folder.
    """
    if how != HERE and not walk.refit_every:
        raise InputError(
            "--engine and --processes are for folds that are trained anew: give --refit-every too."
        )
    fix_order()
    settings, prepared, models = open_run(run, terminal)
    known = runs.read_json(run / "metrics.json")["models"]
    facts: dict[str, dict[str, Any]] = {cell: known[cell] for cell in models}
    own = walk == BacktestSettings()
    folder = run if own else folder_of(run, walk)
    with rewritten(folder) as draft:
        if not own:
            open_backtest(run, settings, prepared, walk)
        if walk.refit_every:
            facts = {cell: {"seeds": settings.seeds} for cell in models}
            with workers(how) as engine:
                backtest = refitted(folder, settings, prepared, walk, terminal, engine)
        else:
            backtest = once(settings, prepared, models, walk, terminal)
        manifest = runs.read_manifest(folder)
        score_into(draft, manifest, prepared, backtest, facts, terminal)
        del backtest  # it may hold a gigabyte, and the fan charts need memory too
        if own:
            with terminal.stage("fan charts"):
                write_fans(draft, prepared, models, settings.horizon)
    if own and not settings.no_report:
        add_report(run, terminal)
    terminal.path(folder)
    return folder


def open_run(run: Path, terminal: Terminal) -> tuple[Settings, Prepared, dict[str, Ensemble]]:
    """Settings, prices and networks of a run; InputError when the prices are not the same."""
    settings = runs.read_settings(run)
    prepared = prepare(settings, terminal)
    if prepared.panel.sha256 != runs.read_manifest(run)["data"]["sha256"]:
        raise InputError(
            f"the prices from source {settings.source} are not those the run was trained on "
            "(other SHA-256): its test scores would not be comparable; train again."
        )
    return settings, prepared, load_networks(run, settings)
