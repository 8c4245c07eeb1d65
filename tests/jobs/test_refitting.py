import io
import shutil
from datetime import date

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from forecast import runs
from forecast.command_settings import BacktestSettings, EngineSettings
from forecast.engine import opened
from forecast.errors import InputError
from forecast.evaluation.backtest import make_cutoffs
from forecast.evaluation.folds import make_folds, walk_folds
from forecast.jobs import refitting
from forecast.jobs.evaluating import evaluate
from forecast.jobs.prepare import prepare
from forecast.jobs.refitting import HERE, folder_of, frozen, open_backtest, refitted
from forecast.jobs.terminal import Terminal
from forecast.jobs.walking import by_seed, schedule_of, single_fold, with_ensembles
from forecast.models.baselines.drift import Drift
from forecast.models.baselines.ewma import EwmaT
from forecast.settings import Settings
from forecast.training import Ensemble

SETTINGS = Settings(
    tickers=("IBM", "MSFT"), start=date(2005, 1, 3), lookback=24, horizon=5, cell=("gru",)
)
WALK = BacktestSettings(refit_every=120, step=3)


class Counting(Drift):
    """A drift that counts how often it is fitted, and is stopped at one of them if asked to."""

    fits = 0
    stop_at = None

    def __init__(self, seed=0):
        self.seed = seed

    def fit(self, panel, until):
        Counting.fits += 1
        if Counting.fits == Counting.stop_at:
            raise KeyboardInterrupt
        return super().fit(panel, until)

    def forecast(self, panel, cutoffs, horizons, levels):
        return super().forecast(panel, cutoffs, horizons, levels) * (1 + self.seed)


@pytest.fixture(scope="module")
def prepared():
    return prepare(SETTINGS, Terminal(quiet=True))


@pytest.fixture
def run(tmp_path, prepared, monkeypatch):
    """A folder that looks like a run of two seeds; fitting is cheap and counted."""
    monkeypatch.setattr(refitting, "BASELINES", {"ewma-t": EwmaT})
    monkeypatch.setattr(
        refitting, "unfitted", lambda settings: {"gru": Ensemble([Counting(0), Counting(1)])}
    )
    monkeypatch.setattr(Counting, "fits", 0)
    manifest = {"data": {"sha256": prepared.panel.sha256}, "splits": {}, "seeds": [0, 1]}
    runs.write_json(tmp_path / "manifest.json", manifest)
    return tmp_path


def walk_of(run, prepared, engine=HERE):
    """Walk and return the backtest and what was said."""
    screen = io.StringIO()
    folder = open_backtest(run, SETTINGS, prepared, WALK)
    terminal = Terminal(console=Console(file=screen, width=300))
    return refitted(folder, SETTINGS, prepared, WALK, terminal, engine), screen.getvalue()


def test_every_fold_is_saved_and_together_they_are_the_walk(run, prepared):
    backtest, said = walk_of(run, prepared)
    folds = make_folds(prepared.panel, prepared.test_start, None, schedule_of(SETTINGS, WALK))
    assert len(folds) >= 3
    models = {"gru-seed0": Counting(0), "gru-seed1": Counting(1), "ewma-t": EwmaT()}
    parts = [part for _, part in walk_folds(models, prepared.panel, folds, (1, 5))]
    assert backtest.models == ["gru", "gru-seed0", "gru-seed1", "ewma-t"]
    for name in models:
        expected = np.concatenate([part.quantiles[name] for part in parts])
        np.testing.assert_array_equal(backtest.quantiles[name], expected)
    mean = (backtest.quantiles["gru-seed0"] + backtest.quantiles["gru-seed1"]) / 2
    np.testing.assert_allclose(backtest.quantiles["gru"], mean, rtol=1e-6)
    for number, fold in enumerate(folds, start=1):
        assert f"fold {number} of {len(folds)}: {fold}\n" in said


def test_while_a_fold_is_walked_it_is_told_what_each_model_has_done(run, prepared, monkeypatch):
    told = []
    monkeypatch.setattr("forecast.jobs.terminal.Bar.say", lambda bar, state: told.append(state))
    walk_of(run, prepared)
    names = ["gru-seed0", "gru-seed1", "ewma-t"]
    assert told[:3] == [f"{name} is fitted" for name in names]
    assert told[3:6] == [f"{name} has forecast" for name in names]


def test_a_walk_that_was_stopped_goes_on_where_it_was(run, prepared, monkeypatch):
    whole, _ = walk_of(run, prepared)
    once = Counting.fits
    folder = folder_of(run, WALK)
    for path in folder.iterdir():
        path.unlink()
    monkeypatch.setattr(Counting, "fits", 0)
    monkeypatch.setattr(Counting, "stop_at", 6)  # in the third fold, two seeds each
    message = r"stopped; 2 of \d folds saved in .*, and the same command goes on from there"
    with pytest.raises(KeyboardInterrupt, match=message):
        walk_of(run, prepared)
    assert sorted(path.name for path in folder.glob("*.parquet")) == [
        "fold-000.parquet",
        "fold-001.parquet",
    ]
    again, said = walk_of(run, prepared)
    assert Counting.fits == once + 2  # those of the fold that was stopped, twice
    assert said.count("done before") == 2
    for name in whole.models:
        np.testing.assert_array_equal(again.quantiles[name], whole.quantiles[name])


def test_of_too_many_origins_those_of_some_tickers_are_walked(run, prepared, monkeypatch):
    whole, _ = walk_of(run, prepared)
    shutil.rmtree(folder_of(run, WALK))
    monkeypatch.setattr(refitting, "MOST_ORIGINS", len(whole.cutoffs) - 1)
    some, said = walk_of(run, prepared)
    assert set(some.cutoffs["unique_id"]) == {"IBM"}
    assert "on 1 of 2 tickers, taken evenly from A to Z" in said
    same = (whole.cutoffs["unique_id"] == "IBM").to_numpy()
    np.testing.assert_allclose(some.quantiles["ewma-t"], whole.quantiles["ewma-t"][same], rtol=1e-6)
    kept = runs.read_json(folder_of(run, WALK) / "manifest.json")["backtest"]["folds"]
    assert {fold["tickers"] for fold in kept} == {1}


def test_folds_in_other_processes_are_those_of_this_one(run, prepared, tmp_path):
    here, _ = walk_of(run, prepared)
    folder = folder_of(run, WALK)
    written = {path.name: path.read_bytes() for path in folder.glob("*.parquet")}
    for name in sorted(written)[1:]:
        (folder / name).unlink()
    with opened(EngineSettings(processes=1)) as engine:
        apart, said = walk_of(run, prepared, engine)
    assert said.count("done before") == 1
    assert said.count("saved after") == len(written) - 1
    assert Counting.fits == 2 * len(written)  # no fit of the second walk was in this process
    assert {path.name: path.read_bytes() for path in folder.glob("*.parquet")} == written
    for name in here.models:
        np.testing.assert_array_equal(apart.quantiles[name], here.quantiles[name])


def test_networks_of_a_fold_measure_nothing_that_nobody_reads():
    (ensemble,) = refitting.unfitted(SETTINGS).values()
    assert [member.settings.telemetry for member in ensemble.members] == ["off"]


def test_an_engine_without_refits_is_told(run):
    with pytest.raises(InputError, match="for folds that are trained anew: give --refit-every"):
        evaluate(run, BacktestSettings(), Terminal(quiet=True), EngineSettings(processes=2))


def test_a_fold_that_was_damaged_is_done_again(run, prepared):
    whole, _ = walk_of(run, prepared)
    path = folder_of(run, WALK) / "fold-001.parquet"
    raw = path.read_bytes()
    path.write_bytes(raw[:-1])
    again, said = walk_of(run, prepared)
    assert said.count("done before") == said.count(" of ") - 1
    assert said.count("saved after") == 1
    assert path.read_bytes() == raw
    np.testing.assert_array_equal(again.quantiles["gru"], whole.quantiles["gru"])


def test_the_folds_are_frozen_with_dates_and_origins(run, prepared):
    folder = open_backtest(run, SETTINGS, prepared, WALK)
    manifest = runs.read_json(folder / "manifest.json")
    kept = manifest["backtest"]
    assert kept["settings"] == WALK.model_dump()
    panel, days = prepared.panel, prepared.panel.sessions
    for fact, following in zip(kept["folds"], [*kept["folds"][1:], None], strict=True):
        first, until = (days.get_loc(pd.Timestamp(fact[k])) for k in ("first", "train_until"))
        assert first == until + 1
        cutoffs = make_cutoffs(panel, fact["first"], fact["last"])
        grid = days[first :: fact["step"]]
        assert fact["origins"] == cutoffs["cutoff"].isin(grid).sum()
        assert following is None or fact["last"] < following["first"]
    assert kept == frozen(SETTINGS, prepared, WALK)[1]


@pytest.mark.parametrize("what", ["versions", "backtest", "data"])
def test_folds_that_do_not_belong_together_are_refused(run, prepared, what):
    folder = open_backtest(run, SETTINGS, prepared, WALK)
    manifest = runs.read_json(folder / "manifest.json")
    runs.write_json(folder / "manifest.json", manifest | {what: {"other": 1}})
    message = f"was begun with other {what}: its folds do not belong together"
    with pytest.raises(InputError, match=message):
        open_backtest(run, SETTINGS, prepared, WALK)


def test_another_walk_has_another_folder(tmp_path):
    walks = [
        BacktestSettings(**change)
        for change in ({"refit_every": 5}, {"step": 5}, {"embargo": 5}, {"window": "rolling"}, {})
    ]
    assert len({folder_of(tmp_path, walk) for walk in walks}) == len(walks)
    assert folder_of(tmp_path, walks[0]).name == "refit5-step1-embargo0-expanding"


def test_an_embargo_delays_the_first_cutoff_of_networks_that_are_trained_already(prepared):
    fold = single_fold(SETTINGS, prepared, BacktestSettings(embargo=7))
    days = prepared.panel.sessions
    assert days.get_loc(fold.first) == prepared.splits.test[0] + 7
    assert fold.train_until == prepared.until
    with pytest.raises(InputError, match="No cutoff has 5 sessions after it"):
        single_fold(SETTINGS, prepared, BacktestSettings(embargo=5000))


def test_ensembles_of_one_keep_their_name_and_those_of_more_are_scored_by_seed(prepared):
    panel = prepared.panel
    fitted = [Counting(seed).fit(panel, prepared.until) for seed in (0, 1)]
    alone, both = Ensemble(fitted[:1]), Ensemble(fitted)
    assert list(by_seed({"gru": alone, "other": fitted[0]})) == ["gru", "other"]
    models = {"gru": both, "lstm": both}
    members = by_seed(models)
    assert list(members) == ["gru-seed0", "gru-seed1", "lstm-seed0", "lstm-seed1"]
    cutoffs = make_cutoffs(panel, prepared.test_start, horizon=5)
    ((_, walked),) = walk_folds(members, panel, [single_fold(SETTINGS, prepared, WALK)], (1, 5))
    backtest = with_ensembles(walked, models)
    assert backtest.models == ["gru", "lstm", *members]
    assert len(cutoffs) > len(backtest.cutoffs) > 0
    direct = both.forecast(panel, backtest.cutoffs, (1, 5), backtest.levels)
    np.testing.assert_allclose(backtest.quantiles["gru"], direct, rtol=1e-5)
