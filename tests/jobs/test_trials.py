"""Trials in rounds, with a formula in place of a training."""

import optuna
import pytest

from forecast.command_settings import EngineSettings
from forecast.engine import Here, opened
from forecast.jobs import trials
from forecast.jobs.trials import Tried, Unit, run_trials
from forecast.settings import Search

SPACE = {"dropout": Search(0.0, 0.5)}


def tried_by_formula(shared, unit: Unit) -> Tried:
    """Stand in for a training: best at 0.3."""
    return Tried("complete", (unit.values["dropout"] - 0.3) ** 2, {1: 1.0})


def told_by(engine, count=14):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1, constant_liar=True))
    told = list(run_trials(study, count, (None, None), SPACE, engine))
    assert sorted(trial.number for trial in told) == list(range(count))
    return [(trial.params["dropout"], trial.value) for trial in study.trials]


def test_trials_depend_on_how_many_run_side_by_side_and_on_nothing_else(monkeypatch):
    monkeypatch.setattr(trials, "try_one", tried_by_formula)
    with opened(EngineSettings(processes=2)) as engine:
        two, again = told_by(engine), told_by(engine)
        engine.processes = 1
        one = told_by(engine)
    assert two == again
    assert one == told_by(Here())
    assert one[0] == two[0]
    assert one != two


def test_when_a_round_is_cut_off_what_ended_counts_and_the_rest_has_failed(monkeypatch):
    def stopped(shared, unit):
        if unit.number == 1:
            raise KeyboardInterrupt
        return tried_by_formula(shared, unit)

    monkeypatch.setattr(trials, "try_one", stopped)
    study = optuna.create_study()

    class Three:
        processes = 3

        def run(self, work, units, shared, name):
            return ((number, work(shared, unit)) for number, unit in enumerate(units))

    with pytest.raises(KeyboardInterrupt):
        list(run_trials(study, 3, (None, None), SPACE, Three()))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "FAIL"]
    assert study.trials[1].user_attrs["why"] == "it was cut off"
