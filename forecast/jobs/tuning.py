"""`forecast tune`: settings chosen by the validation CRPS; nothing from the test part is read."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from forecast import runs
from forecast.command_settings import TuneSettings
from forecast.counts import counted
from forecast.errors import InputError
from forecast.jobs.searching import inside, search_space
from forecast.jobs.terminal import Terminal, startup_notes_hidden
from forecast.jobs.trials import FULL_TRIALS, fail_abandoned, run_trials
from forecast.jobs.workers import workers
from forecast.plots import plot_importance, plot_trials, save
from forecast.prices import Panel, load_prices, render_repairs
from forecast.settings import OutputSettings, Settings
from forecast.windows import drop_short_tickers, make_splits

if TYPE_CHECKING:
    from optuna.study import Study

#: Name of a study's database in the folder of the runs, and of the folder of what it found.
DATABASE, FOLDER = "tune.sqlite", "tuning"
#: Settings that change no trial.
_FREE = {*OutputSettings.model_fields, "telemetry", "telemetry_every", "tuned_trials"}


def tune(settings: Settings, how: TuneSettings, terminal: Terminal) -> Path:
    """Run trials and write what they found; return the path of the best settings.

    ``best.yaml`` (for ``forecast train --config``), ``trials.csv``, ``history.png`` and
    ``importance.png`` go to ``tuning/<study>`` in the folder of the runs. Raises InputError for
    prices, a database or a study that cannot be used.
    """
    space = search_space(settings, how.search)
    settings = with_borders(settings)
    panel = seen_panel(settings, terminal)
    folder = settings.runs_dir / FOLDER / how.study
    runs.make_folder(folder, "--runs-dir")
    study = open_study(settings, how, list(space), panel)
    fail_abandoned(study)
    before = len(study.trials)
    terminal.heading(
        f"Tuning {', '.join(space)}: {counted(how.trials, 'trial')} after {before}, by the CRPS of "
        f"{settings.cell[0]} on {settings.validation_start} to {panel.sessions[-1]:%Y-%m-%d}"
    )
    start = {name: getattr(settings, name) for name in space}
    study.enqueue_trial(
        {name: value for name, value in start.items() if inside(name, value, space)},
        skip_if_exists=True,
    )
    with workers(how) as engine, terminal.progress("trials", how.trials) as bar:
        if not engine.apart:
            with startup_notes_hidden():
                from forecast.training.devices import fix_order  # TensorFlow starts here

                fix_order()
        try:
            for trial in run_trials(study, how.trials, (settings, panel), space, engine):
                ended = trial.state.name.lower()
                said = f"{trial.value:.5f}" if ended == "complete" else ended
                bar.step(said)
                terminal.line(f"  trial {trial.number + 1:>3}  {said}  {_words(trial.params)}")
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped; {counted(len(study.trials), 'trial')} kept, and the same command goes on"
            ) from None
    return _finish(study, settings, folder, terminal)


def with_borders(settings: Settings) -> Settings:
    """Fix the dates of the splits, as a training would take them."""
    if settings.validation_start and settings.test_start:
        return settings
    panel, _ = load_prices(settings)
    panel, _ = drop_short_tickers(panel, settings, settings.tickers)
    splits = make_splits(panel, settings)
    first = {name: panel.sessions[part[0]].date() for name, part in _parts(splits).items()}
    return settings.model_copy(update=first)


def seen_panel(settings: Settings, terminal: Terminal) -> Panel:
    """Read the prices before the test part, and no others."""
    assert settings.test_start is not None
    last = settings.test_start - timedelta(days=1)
    if settings.end:
        last = min(last, settings.end)
    panel, repairs = load_prices(settings.model_copy(update={"end": last}))
    panel, short = drop_short_tickers(panel, settings, settings.tickers)
    terminal.heading(
        f"Prices: {settings.source}, {counted(len(panel.tickers), 'ticker')}, to "
        f"{panel.sessions[-1]:%Y-%m-%d}; those from {settings.test_start} on are left for the test"
    )
    for note in [*render_repairs(repairs), *short]:
        terminal.line(f"  {note}")
    return panel


def open_study(settings: Settings, how: TuneSettings, searched: list[str], panel: Panel) -> "Study":
    """Open the study, made anew or as it was left; InputError when it is about something else."""
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            'forecast tune needs Optuna: pip install "forecast[tune]" (or pip install optuna).'
        ) from error
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    default = f"sqlite:///{(settings.runs_dir / DATABASE).resolve()}"
    about = _about(settings, searched, panel)
    try:
        storage = optuna.storages.RDBStorage(
            how.storage or default, engine_kwargs={"connect_args": {}}
        )
        study = optuna.create_study(
            storage=storage, study_name=how.study, direction="minimize", load_if_exists=True
        )
        known = study.user_attrs.get("about", about)
        study.set_user_attr("about", about if not study.trials else known)
    except (SQLAlchemyError, ImportError, RuntimeError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        raise InputError(
            f"--storage {how.storage or default} cannot be used ({said}): is the database there, "
            "not locked, not from a newer Optuna, and its driver installed?"
        ) from error
    other = sorted(key for key in about if known.get(key) != about[key])
    if study.trials and other:
        raise InputError(
            f"the study {how.study} was begun with other {', '.join(other)}: its trials do not "
            "compare with new ones; choose another --study."
        )
    # another seed for every call: one that goes on must not repeat its first trials
    seed = settings.seed + len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return study


def _finish(study: "Study", settings: Settings, folder: Path, terminal: Terminal) -> Path:
    """Write trials, pictures and the best settings; InputError when no trial came to an end."""
    trials = trials_frame(study)
    runs.write_frame(folder / "trials.csv", trials)
    done = trials[trials["state"] == "complete"]
    if done.empty:
        why = trials["why"].iloc[-1] or "stopped"
        raise InputError(
            f"none of {counted(len(trials), 'trial')} came to its end (the last one: {why}): "
            "choose other settings, or more --trials."
        )
    save(plot_trials(trials), folder / "history.png")
    importance = _importance(study, done)
    if not importance.empty:
        save(plot_importance(importance), folder / "importance.png")
    best = study.best_trial
    chosen = settings.model_copy(update={**best.params, "tuned_trials": len(trials)})
    path = folder / "best.yaml"
    kept = chosen.model_dump(mode="json", exclude_none=True, exclude={*OutputSettings.model_fields})
    runs.write_atomic(path, yaml.safe_dump(kept, sort_keys=False))
    terminal.data(trials=trials, best=dict(best.params), validation_crps=best.value)
    counts = trials["state"].value_counts()
    terminal.result(
        f"best of {counted(len(trials), 'trial')} ({counts.get('pruned', 0)} stopped early): "
        f"validation CRPS {best.value:.5f} volatilities with {_words(best.params)}"
    )
    terminal.result(f"train with them: forecast train --config {path}")
    terminal.path(path)
    return path


def trials_frame(study: "Study") -> pd.DataFrame:
    """One row per trial: ``trial, state, validation_crps, epochs, why`` and the settings."""
    rows = [
        {
            "trial": trial.number + 1,
            "state": trial.state.name.lower(),
            "validation_crps": trial.value if trial.state.name == "COMPLETE" else None,
            "epochs": len(trial.intermediate_values),
            "why": trial.user_attrs.get("why", ""),
            **trial.params,
        }
        for trial in study.trials
    ]
    return pd.DataFrame(rows)


def _importance(study: "Study", done: pd.DataFrame) -> pd.DataFrame:
    """Share of the variance that each setting explains: ``setting, importance``, by fANOVA."""
    import optuna

    if len(done) < FULL_TRIALS or done["validation_crps"].nunique() < 2:
        return pd.DataFrame(columns=["setting", "importance"])
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return pd.DataFrame({"setting": list(shares), "importance": list(shares.values())})


def _about(settings: Settings, searched: list[str], panel: Panel) -> dict[str, Any]:
    """What makes trials comparable."""
    fixed = settings.model_dump(mode="json", exclude={*_FREE, *searched, "seed"})
    return {"prices": panel.sha256, "searched": searched, "settings": fixed}


def _parts(splits: Any) -> dict[str, tuple[int, int]]:
    return {"validation_start": splits.validation, "test_start": splits.test}


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )
