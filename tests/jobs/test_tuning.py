"""Tuning with a stand-in for the network, whose loss is a function of the settings."""

import os
import sqlite3
import subprocess
import sys
from datetime import date
from inspect import signature
from socket import gethostname

import numpy as np
import pandas as pd
import pytest
import yaml

from forecast import training
from forecast.cli import main
from forecast.command_settings import TuneSettings
from forecast.errors import DivergedError, InputError
from forecast.jobs import tuning
from forecast.jobs.searching import search_space
from forecast.jobs.terminal import Terminal
from forecast.jobs.trials import FULL_EPOCHS, FULL_TRIALS, PrunedError, Pruning
from forecast.jobs.tuning import DATABASE, tune
from forecast.prices import garch_prices
from forecast.settings import Settings

FIRST_TEST = date(2012, 6, 1)


class Network:
    """Remembers what it was shown; its loss is lowest for dropout 0.3."""

    seen: list[tuple[Settings, object]] = []  # noqa: RUF012

    def __init__(self, settings, cell, seed, validation_start=None, report=None):
        self.settings, self.validation_start, self.report = settings, validation_start, report

    def loss(self, panel, epoch):
        return 0.5 + (self.settings.dropout - 0.3) ** 2 + 0.01 / epoch

    def fit(self, panel, until):
        assert until == panel.sessions[-1]
        self.seen.append((self.settings, panel))
        losses = []
        for epoch in range(1, 6):
            losses.append(self.loss(panel, epoch))
            if self.report:
                self.report.keep({"epoch": epoch, "val_loss": losses[-1]})
        self.history_ = pd.DataFrame({"val_loss": losses})
        return self


@pytest.fixture(autouse=True)
def network(monkeypatch):
    Network.seen = []
    monkeypatch.setattr(training, "NeuralForecaster", Network)
    return Network


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "prices.csv"
    rows = garch_prices(2, 900, 0)
    rows.rename(columns={"unique_id": "ticker", "ds": "date"}).to_csv(path, index=False)
    given = {"source": "csv", "csv": (path,), "test_start": FIRST_TEST, "cell": ("gru",)}
    dates = {"validation_start": date(2011, 9, 1), "lookback": 80}
    return Settings.model_validate(given | dates | {"runs_dir": tmp_path / "runs"})


def tuned(settings, **how):
    return tune(settings, TuneSettings.model_validate({"trials": 4} | how), Terminal(quiet=True))


def read(path):
    return yaml.safe_load(path.read_text())


def test_every_range_lies_within_what_its_setting_accepts():
    space = search_space(Settings())
    assert set(space) >= {"units", "dropout", "lr", "batch_size", "clip_norm", "lookback"}
    for name, each in space.items():
        for value in each.choices or (each.low, each.high):
            Settings.model_validate({name: value})


def test_a_setting_without_a_range_is_told_with_those_that_have_one():
    with pytest.raises(InputError, match=r"--search seeds: there is no range .* lookback, units"):
        search_space(Settings(), ["seeds"])


def test_what_the_pretrained_network_fixes_is_not_looked_for():
    assert "units" not in search_space(Settings(from_pretrained=True, cell=("lstm",)))


def test_no_trial_is_shown_a_price_of_the_test_part(settings, monkeypatch):
    asked = []

    def load(prices):
        asked.append(prices.end)
        return real(prices)

    real = tuning.load_prices
    monkeypatch.setattr(tuning, "load_prices", load)
    tuned(settings)
    assert asked == [date(2012, 5, 31)]
    for _, panel in Network.seen:
        assert panel.sessions[-1] < pd.Timestamp(FIRST_TEST)


def test_other_prices_in_the_test_part_change_no_trial(settings, monkeypatch):
    def loss(self, panel, epoch):
        return float(np.abs(np.diff(panel.level, axis=0)).mean()) + self.settings.dropout

    monkeypatch.setattr(Network, "loss", loss)
    unset = settings.model_copy(update={"validation_start": None, "test_start": None})
    first = tuned(unset, study="before")
    rows = pd.read_csv(settings.csv[0], parse_dates=["date"])
    late = rows["date"] >= pd.Timestamp(read(first)["test_start"])
    assert late.mean() == pytest.approx(0.2, abs=0.01)
    columns = ["open", "high", "low", "close", "adj_close"]
    rows.loc[late, columns] *= 1.3
    rows.to_csv(settings.csv[0], index=False)
    second = tuned(unset, study="after")
    results = [pd.read_csv(path.parent / "trials.csv") for path in (first, second)]
    pd.testing.assert_frame_equal(*results)


def test_the_best_settings_are_found_written_and_can_be_trained_with(settings):
    path = tuned(settings, trials=25, search=["dropout"])
    best = read(path)
    assert best["dropout"] == pytest.approx(0.3, abs=0.05)
    assert best["tuned_trials"] == 25
    chosen = Settings.model_validate(best)
    assert (chosen.test_start, chosen.lookback) == (FIRST_TEST, 80)
    trials = pd.read_csv(path.parent / "trials.csv")
    done = trials[trials["state"] == "complete"]
    assert best["dropout"] == done.loc[done["validation_crps"].idxmin(), "dropout"]
    for picture in ("history.png", "importance.png"):
        assert (path.parent / picture).stat().st_size > 5_000


def test_the_first_trial_is_what_the_settings_say(settings):
    path = tuned(settings, trials=1)
    assert read(path)["dropout"] == Settings().dropout


def test_trials_that_are_worse_than_others_are_stopped_early(settings):
    path = tuned(settings, trials=20, search=["dropout"])
    trials = pd.read_csv(path.parent / "trials.csv")
    stopped = trials[trials["state"] == "pruned"]
    assert len(stopped) > 2
    assert (stopped["epochs"] < 5).all()
    assert stopped["validation_crps"].isna().all()


def test_a_study_goes_on_where_it_was(settings):
    tuned(settings, trials=3)
    path = tuned(settings, trials=2)
    assert read(path)["tuned_trials"] == 5
    assert len(Network.seen) == 5
    dropouts = [chosen.dropout for chosen, _ in Network.seen]
    assert len(set(dropouts)) == 5


def test_ctrl_c_keeps_the_trials(settings, monkeypatch):
    tuned(settings, trials=2)

    def stopped(self, panel, epoch):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Network, "loss", stopped)
        with pytest.raises(KeyboardInterrupt, match="3 trials kept, and the same command goes"):
            tuned(settings, trials=2)
    assert read(tuned(settings, trials=1))["tuned_trials"] == 4


def test_trials_of_a_call_that_was_killed_are_told_as_failed(settings):
    import optuna

    tuned(settings, trials=1)
    study = optuna.load_study(
        study_name="tuning", storage=f"sqlite:///{settings.runs_dir / DATABASE}"
    )
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    places = ([gethostname(), gone.pid], [gethostname(), os.getppid()], ["elsewhere", gone.pid])
    for place in places:
        study.ask().set_user_attr("process", place)
    trials = pd.read_csv(tuned(settings, trials=1).parent / "trials.csv")
    assert list(trials["state"]) == ["complete", "fail", "running", "running", "complete"]


def test_pruning_by_the_curves_of_others_is_that_of_optuna_on_all_of_them():
    import optuna

    rng = np.random.default_rng(4)
    curves = 1 + 0.3 * rng.random((30, 8)) - 0.02 * np.arange(8)
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(FULL_TRIALS, FULL_EPOCHS))
    finished, stopped = [], []
    for curve in curves:
        trial, pruning = study.ask(), Pruning(tuple(finished))
        for epoch, crps in enumerate(curve, start=1):
            trial.report(crps, epoch)
            theirs, ours = trial.should_prune(), False
            try:
                pruning({"epoch": epoch, "val_loss": crps})
            except PrunedError:
                ours = True
            assert ours == theirs
            if theirs:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                stopped.append(epoch)
                break
        else:
            study.tell(trial, curve.min())
            finished.append(pruning.curve)
    assert len(stopped) > 5
    assert len(finished) > 5


def test_a_study_of_other_prices_or_settings_is_not_mixed_up(settings):
    tuned(settings, trials=1)
    with pytest.raises(InputError, match=r"was begun with other settings: .* another --study"):
        tuned(settings.model_copy(update={"horizon": 10}))
    with pytest.raises(InputError, match="was begun with other searched"):
        tuned(settings, search=["lr"])
    rows = pd.read_csv(settings.csv[0])
    rows[rows["ticker"] == "S00"].to_csv(settings.csv[0], index=False)
    with pytest.raises(InputError, match="was begun with other prices"):
        tuned(settings)


def test_a_trial_that_diverges_spoils_none_of_the_others(settings, monkeypatch):
    def loss(self, panel, epoch):
        if len(self.seen) == 2:
            raise DivergedError("the loss became nan")
        return 0.5

    monkeypatch.setattr(Network, "loss", loss)
    path = tuned(settings, trials=3)
    trials = pd.read_csv(path.parent / "trials.csv")
    assert list(trials["state"]) == ["complete", "fail", "complete"]
    assert "the loss became nan" in trials["why"].iloc[1]


def test_when_no_trial_comes_to_an_end_the_reason_is_told(settings, monkeypatch):
    def loss(self, panel, epoch):
        raise InputError("nothing to train on")

    monkeypatch.setattr(Network, "loss", loss)
    with pytest.raises(InputError, match=r"none of 2 trials came to its end .*nothing to train on"):
        tuned(settings, trials=2)


@pytest.mark.parametrize("storage", ["nonsense", "nodb://localhost/x", "sqlite:////none/x.sqlite"])
def test_a_database_that_cannot_be_used_is_told(settings, storage):
    with pytest.raises(InputError, match=f"--storage {storage} cannot be used"):
        tuned(settings, storage=storage)


def test_a_database_of_a_newer_version_is_told(settings):
    tuned(settings, trials=1)
    connection = sqlite3.connect(settings.runs_dir / DATABASE)
    with connection:
        connection.execute("UPDATE version_info SET schema_version = 99")
        connection.execute("UPDATE alembic_version SET version_num = 'v99'")
    connection.close()
    with pytest.raises(InputError, match=r"cannot be used .* newer Optuna"):
        tuned(settings)


def test_without_optuna_the_extra_is_named(settings, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(InputError, match=r'pip install "forecast\[tune\]"'):
        tuned(settings)


def test_the_command_tells_every_trial_and_how_to_go_on(settings, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([
            "tune", "--source", "csv", "--csv", str(settings.csv[0]), "--trials", "2", "--search",
            "dropout", "units", "--lookback", "40", "--runs-dir", str(settings.runs_dir),
        ])  # fmt: skip
    said = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "Tuning dropout, units: 2 trials after 0, by the CRPS of lstm on" in said
    assert "are left for the test" in said
    assert "train with them: forecast train --config" in said
    assert said.splitlines()[-1].endswith("best.yaml")


def test_the_stand_in_is_made_like_the_network_itself():
    real = signature(training.forecaster.NeuralForecaster).parameters
    assert list(signature(Network).parameters) == list(real)[:5]
