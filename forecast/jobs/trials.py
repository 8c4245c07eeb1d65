"""The trials of a tuning: asked for in rounds, tried on an engine, told as they end.

All trials of a round are chosen before the first of them ends, and all of them are told before the
next round: what is tried depends on the number of processes, and on no clock.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from forecast.engine import Engine
from forecast.errors import DivergedError, InputError
from forecast.jobs.searching import suggest
from forecast.prices import Panel
from forecast.settings import Search, Settings

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

#: Trials that run to their end, and epochs that every trial is given, before any is stopped.
FULL_TRIALS, FULL_EPOCHS = 5, 3

#: Validation CRPS by epoch.
Curve = Mapping[int, float]


class Unit(NamedTuple):
    """A trial: what it changes, and the curves of those that came to their end before it."""

    number: int
    values: dict[str, Any]
    finished: tuple[Curve, ...]

    def __str__(self) -> str:
        return f"trial {self.number + 1}"


class Tried(NamedTuple):
    """How a trial ended: the mean over the seeds of the best validation CRPS, its first curve."""

    state: Literal["complete", "pruned", "fail"]
    crps: float | None
    curve: Curve
    why: str = ""


def run_trials(
    study: "Study",
    count: int,
    shared: tuple[Settings, Panel],
    space: Mapping[str, Search],
    engine: Engine,
) -> "Iterator[FrozenTrial]":
    """Try `count` times, as many side by side as the engine has processes; yield what was told.

    A trial that is cut off is told as failed.
    """
    while count > 0:
        asked = [_ask(study) for _ in range(min(count, engine.processes))]
        finished = tuple(
            each.intermediate_values for each in study.trials if each.state.name == "COMPLETE"
        )
        units = [Unit(t.number, suggest(t, dict(space)), finished) for t in asked]
        left = dict(enumerate(asked))
        try:
            for place, tried in engine.run(try_one, units, shared, str):
                yield _tell(study, left.pop(place), tried)
        finally:
            for trial in left.values():
                _tell(study, trial, Tried("fail", None, {}, "it was cut off"))
        count -= len(asked)


def try_one(shared: tuple[Settings, Panel], unit: Unit) -> Tried:
    """Train the networks of a trial, in whatever process this is called."""
    from forecast.training import NeuralForecaster, ProgressReport

    settings, panel = shared
    chosen = Settings.model_validate(settings.model_dump() | unit.values | {"telemetry": "off"})
    pruning = Pruning(unit.finished)
    losses: list[float] = []
    try:
        for seed in range(chosen.seed, chosen.seed + chosen.seeds):
            # the first seed decides whether the trial is worth the others
            report = None if losses else ProgressReport(_quiet, _quiet, pruning)
            network = NeuralForecaster(
                chosen, chosen.cell[0], seed, chosen.validation_start, report
            )
            network.fit(panel, panel.sessions[-1])
            losses.append(float(network.history_["val_loss"].min()))
    except (DivergedError, InputError) as error:
        return Tried("fail", None, pruning.curve, str(error))
    except PrunedError:
        return Tried("pruned", None, pruning.curve)
    return Tried("complete", sum(losses) / len(losses), pruning.curve)


class PrunedError(Exception):
    """Others were better by this epoch."""


class Pruning:
    """Keeps the curve of a trial, and stops it where Optuna's median pruner would.

    It needs nothing but the curves of the others, so that a worker needs no database.
    """

    def __init__(self, finished: tuple[Curve, ...]) -> None:
        from optuna import create_study, logging
        from optuna.pruners import MedianPruner
        from optuna.trial import create_trial

        logging.set_verbosity(logging.ERROR)
        study = create_study(pruner=MedianPruner(FULL_TRIALS, FULL_EPOCHS))
        study.add_trials([create_trial(value=0, intermediate_values=dict(c)) for c in finished])
        self._trial = study.ask()
        self.curve: dict[int, float] = {}

    def __call__(self, figures: Mapping[str, float]) -> None:
        """Add the figures of an epoch; raises PrunedError when the trial is to be stopped."""
        epoch, crps = int(figures["epoch"]), float(figures["val_loss"])
        self.curve[epoch] = crps
        self._trial.report(crps, epoch)
        if self._trial.should_prune():
            raise PrunedError


def fail_abandoned(study: "Study") -> None:
    """Tell the trials of calls on this machine that are no more as failed.

    Those of other machines are left alone: nobody here knows whether they still run.
    """
    for trial in study.trials:
        host, pid = trial.user_attrs.get("process", ("", 0))
        if trial.state.name == "RUNNING" and host == socket.gethostname() and not _runs(pid):
            study.tell(trial.number, state=_state("fail"))


def _runs(pid: int) -> bool:
    """Whether another process of this number runs; where that cannot be asked, it does."""
    if pid == os.getpid():
        return False
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ask(study: "Study") -> "Trial":
    trial = study.ask()
    trial.set_user_attr("process", [socket.gethostname(), os.getpid()])
    return trial


def _tell(study: "Study", trial: "Trial", tried: Tried) -> "FrozenTrial":
    for epoch, crps in tried.curve.items():
        trial.report(crps, epoch)
    if tried.why:
        trial.set_user_attr("why", tried.why)
    return study.tell(trial, tried.crps, _state(tried.state))


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name.upper()]


def _quiet(text: str) -> None:
    """Say nothing."""
