"""Walking forward: the fitted networks of a run and the baselines over the test part."""

from collections.abc import Mapping

from forecast.command_settings import BacktestSettings
from forecast.counts import counted
from forecast.evaluation.backtest import Backtest, add_mean
from forecast.evaluation.folds import Fold, Schedule, forecast_fold, make_folds
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.models.base import Forecaster
from forecast.models.baselines import BASELINES
from forecast.prices import Panel
from forecast.settings import Settings
from forecast.training import Ensemble

#: Origins that are scored at most: the quantiles of all models are in memory at once.
MOST_ORIGINS = 60_000


def schedule_of(settings: Settings, walk: BacktestSettings) -> Schedule:
    """The schedule of a walk for the horizon of a run."""
    return Schedule(
        refit_every=walk.refit_every,
        step=walk.step,
        embargo=walk.embargo,
        horizon=settings.horizon,
        window=walk.window,
    )


def single_fold(settings: Settings, prepared: Prepared, walk: BacktestSettings) -> Fold:
    """The test part as one fold, for networks that are trained already.

    The embargo delays the first cutoff. Raises InputError when no cutoff is left.
    """
    sessions = prepared.panel.sessions
    first = sessions[min(prepared.splits.test[0] + walk.embargo, len(sessions) - 1)]
    schedule = schedule_of(settings, walk.model_copy(update={"refit_every": 0}))
    return make_folds(prepared.panel, first, None, schedule, MOST_ORIGINS)[0]


def once(
    settings: Settings,
    prepared: Prepared,
    models: Mapping[str, Forecaster],
    walk: BacktestSettings,
    terminal: Terminal,
) -> Backtest:
    """Walk fitted networks and the baselines over the test part; nothing is refitted."""
    panel, fold = prepared.panel, single_fold(settings, prepared, walk)
    horizons = settings.scored_horizons
    terminal.heading(
        f"Walking forward: {counted(len(fold.cutoffs(panel)), 'origin')}, "
        f"{', '.join(map(str, horizons))} sessions ahead, no refit"
    )
    terminal.line(f"  fold 1 of 1: {fold}")
    say_tickers(fold, panel, terminal)
    shown = fold.shown(panel)
    members, baselines = by_seed(models), {}
    with terminal.stage("walking forward", len(members) + 2 * len(BASELINES)) as bar:
        for name, make in BASELINES.items():
            baselines[name] = make().fit(shown, prepared.until)
            bar.step(f"{name} is fitted")
        backtest = forecast_fold(members | baselines, panel, fold, horizons, bar.step)
    return with_ensembles(backtest, models)


def say_tickers(fold: Fold, panel: Panel, terminal: Terminal) -> None:
    """Say that some of many tickers are forecast alone."""
    if fold.tickers:
        terminal.line(
            f"  on {len(fold.tickers):,} of {len(panel.tickers):,} tickers, taken evenly from A to "
            "Z; networks see the market of all, baselines are fitted to these"
        )


def by_seed(models: Mapping[str, Forecaster]) -> dict[str, Forecaster]:
    """Take ensembles apart: ``lstm-seed0, lstm-seed1`` …; one member keeps the name."""
    members: dict[str, Forecaster] = {}
    for name, model in models.items():
        if isinstance(model, Ensemble):
            members |= dict(zip(_names(name, model), model.members, strict=True))
        else:
            members[name] = model
    return members


def with_ensembles(backtest: Backtest, models: Mapping[str, Forecaster]) -> Backtest:
    """Put the ensembles that `by_seed` took apart before all other models of the backtest."""
    for name, model in reversed(list(models.items())):
        if isinstance(model, Ensemble) and len(model.members) > 1:
            backtest = add_mean(backtest, name, _names(name, model))
    return backtest


def _names(name: str, ensemble: Ensemble) -> list[str]:
    if len(ensemble.members) == 1:
        return [name]
    return [f"{name}-seed{member.seed}" for member in ensemble.members]
