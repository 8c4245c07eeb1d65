"""The network that comes with the project, as a user meets it."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from forecast import runs, shipped
from forecast.cli import main
from forecast.errors import InputError
from forecast.jobs.pretrained import fine_tuning, pretrained_card, refuse_overlap
from forecast.prices import garch_prices
from forecast.settings import Settings
from forecast.shipped import pretrained_folder

BANDS = ["lstm-lo-98", "lstm-lo-90", "lstm-lo-50", "lstm", "lstm-hi-50", "lstm-hi-98"]


@pytest.fixture
def call(capsys):
    """Run a command; return its exit code, output and errors."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return stopped.value.code, said.out, said.err

    return run


@pytest.fixture
def csv(tmp_path):
    """Write made-up prices of some tickers and return the path."""

    def write(sessions, start="2018-01-02", names=("META",), seed=0):
        rows = garch_prices(len(names), sessions, seed, start=start)
        number = rows["unique_id"].str[1:].astype(int)
        table = rows.assign(ticker=number.map(dict(enumerate(names))))
        path = tmp_path / f"prices{sessions}.csv"
        columns = ["ticker", "ds", "close", "adj_close"]
        table[columns].rename(columns={"ds": "date", "adj_close": "adj close"}).to_csv(
            path, index=False
        )
        return path

    return write


def test_the_files_are_small_and_are_those_of_the_card():
    folder, card = pretrained_folder(), pretrained_card()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 350_000
    assert len(card["files"]) == len(card["seeds"]) + 1  # and all of them as ONNX
    for name, digest in card["files"].items():
        assert runs.file_sha256(folder / name) == digest
    assert card["last_training_date"] == "2015-12-31"
    assert set(card["sources"]) == {"sp500", "bundled"}


def test_sixty_sessions_of_a_ticker_it_never_saw_are_forecast_without_training(call, csv, tmp_path):
    code, said, _ = call(
        "predict", "--pretrained", "--tickers", "META", "--source", "csv", "--csv", csv(60),
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0
    assert "market: none, one ticker alone" in said
    assert "pretrained on prices to 2015-12-31" in said
    assert said.splitlines()[-1] == str(tmp_path / "out")
    frame = pd.read_csv(tmp_path / "out" / "forecast.csv")
    assert list(frame["h"]) == list(range(1, 21))
    assert (frame[BANDS].diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
    assert json.loads((tmp_path / "out" / "forecast.json").read_text())["tickers"]["META"]
    assert (tmp_path / "out" / "fan_META.png").stat().st_size > 10_000


def test_too_little_history_is_told_with_what_is_needed(call, csv, tmp_path):
    code, _, said = call(
        "predict", "--pretrained", "--source", "csv", "--csv", csv(40), "--runs-dir", tmp_path
    )
    assert code == 2
    assert "40 sessions" in said
    assert "= 51: give more history" in said


def test_highs_and_lows_change_nothing(call, tmp_path):
    with_range = garch_prices(1, 200, 3, start="2018-01-02")
    without = with_range.drop(columns=["open", "high", "low", "volume"])
    found = []
    for name, rows in (("with", with_range), ("without", without)):
        path = tmp_path / f"{name}.csv"
        rows.rename(columns={"unique_id": "ticker", "ds": "date"}).to_csv(path, index=False)
        out = tmp_path / name
        code, _, said = call(
            "predict", "--pretrained", "--source", "csv", "--csv", path, "--out", out, "--quiet"
        )
        assert code == 0, said
        found.append(pd.read_csv(out / "forecast.csv"))
    pd.testing.assert_frame_equal(*found)


def test_yahoo_is_asked_for_the_tickers_and_nothing_else_unless_told_otherwise(call, monkeypatch):
    asked = []

    def load(prices):
        asked.append(prices)
        raise InputError("no network here")

    monkeypatch.setattr("forecast.jobs.newest.load_prices", load)
    assert call("predict", "--pretrained", "--tickers", "META")[0] == 2
    assert (asked[0].source, asked[0].tickers) == ("yahoo", ("META",))


def test_a_run_and_the_pretrained_network_at_once_is_refused(call):
    assert "choose one: the run mine, or --pretrained" in call("predict", "mine", "--pretrained")[2]


def test_a_source_for_a_run_is_refused(call):
    code, _, said = call("predict", "--source", "csv", "--csv", "a.csv")
    assert code == 2
    assert "--csv goes with --pretrained: a run forecasts from the prices it was trained" in said


@pytest.mark.parametrize(
    "arguments",
    [["--source", "bundled"], ["--source", "bundled", "--test-start", "2012-03-01"]],
    ids=" ".join,
)
def test_training_that_would_be_scored_on_dates_it_has_seen_is_refused(call, tmp_path, arguments):
    code, _, said = call("train", "--from-pretrained", *arguments, "--runs-dir", tmp_path)
    assert code == 2
    assert "has learned from prices up to 2015-12-31" in said
    assert "these prices end on 2013-03-01, so take later ones" in said
    assert not list(tmp_path.iterdir())


def test_the_day_after_its_last_one_may_be_scored_and_that_day_may_not():
    last = pd.Timestamp("2022-12-30")
    refuse_overlap(pd.Timestamp("2016-01-04"), last)
    with pytest.raises(InputError, match="choose a --test-start after 2015-12-31"):
        refuse_overlap(pd.Timestamp("2015-12-31"), last)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"units": 8}, "--units 8 does not fit the pretrained network, which has 32"),
        ({"horizon": 5}, "--horizon 5 does not fit the pretrained network, which has 20"),
        ({"cell": ("gru",)}, "--cell gru does not fit the pretrained network, which has lstm"),
    ],
    ids=str,
)
def test_a_network_of_another_shape_cannot_be_fine_tuned(given, message):
    with pytest.raises(InputError, match=message):
        fine_tuning(Settings(from_pretrained=True, **given))


def test_fine_tuning_takes_the_shape_and_leaves_the_rest():
    found = fine_tuning(Settings(from_pretrained=True, lr=0.01, lookback=100))
    assert (found.cell, found.units, found.closes_only) == (("lstm",), 32, True)
    assert (found.lr, found.lookback) == (0.01, 100)
    assert fine_tuning(Settings(from_pretrained=True)).lookback == 120


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, few_baselines):
    """A fine-tuned run on made-up prices after the last training date."""
    folder = tmp_path_factory.mktemp("tuned")
    rows = garch_prices(1, 640, 1, start="2018-01-02")
    path = folder / "prices.csv"
    rows.rename(columns={"unique_id": "ticker", "ds": "date"}).to_csv(path, index=False)
    command = ["train", "--from-pretrained", "--source", "csv", "--csv", str(path), "--quiet"]
    command += ["--epochs", "1", "--steps-per-epoch", "2", "--telemetry", "off", "--no-report"]
    with few_baselines(), pytest.raises(SystemExit) as stopped:
        main([*command, "--runs-dir", str(folder), "--name", "mine"])
    assert stopped.value.code == 0
    return folder / "mine"


def test_a_fine_tuned_run_can_be_evaluated_and_forecasts(call, tuned, few_baselines):
    assert runs.read_settings(tuned).from_pretrained
    with few_baselines():
        assert call("evaluate", tuned, "--quiet")[0] == 0
    assert call("predict", tuned, "--quiet")[0] == 0


@pytest.mark.parametrize("command", ["evaluate", "backtest"])
def test_a_run_moved_to_dates_it_has_seen_is_not_scored(call, tuned, monkeypatch, command):
    card = {**pretrained_card(), "last_training_date": "2020-12-31"}
    monkeypatch.setattr("forecast.jobs.pretrained.pretrained_card", lambda: card)
    code, _, said = call(command, tuned)
    assert code == 2
    assert "has learned from prices up to 2020-12-31" in said


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the files, found in the place of the real ones."""
    shutil.copytree(pretrained_folder(), tmp_path / "data" / "pretrained")
    monkeypatch.setattr(shipped, "PLACES", (tmp_path / "data", tmp_path / "none"))
    return tmp_path / "data" / "pretrained"


def test_files_that_were_changed_are_refused(call, csv, copied, tmp_path):
    for path in (copied / "models").iterdir():  # whichever program runs it
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, _, said = call(
        "predict", "--pretrained", "--source", "csv", "--csv", csv(60), "--runs-dir", tmp_path / "r"
    )
    assert code == 2
    assert "was changed since it was written" in said


def test_files_that_are_missing_are_told_with_the_remedy(call, csv, copied, tmp_path):
    shutil.rmtree(copied)
    code, _, said = call(
        "predict", "--pretrained", "--source", "csv", "--csv", csv(60), "--runs-dir", tmp_path / "r"
    )
    assert code == 2
    assert "make them again with python scripts/pretrain.py" in said


def test_fine_tuning_starts_as_the_pretrained_network_itself():
    from forecast.training.pretrained import fine_tunable, load_member

    settings = fine_tuning(Settings(from_pretrained=True))
    x = np.random.default_rng(0).normal(size=(2, 120, 12)).astype("float32")
    for seed, member in ((0, 0), (2, 2), (4, 1)):  # three members, in turn
        source = load_member(pretrained_folder(), member)
        found = fine_tunable(settings, seed)
        np.testing.assert_allclose(found(x), source(x), atol=1e-6)


def test_weights_that_do_not_fit_are_told():
    from forecast.training.pretrained import fine_tunable

    with pytest.raises(InputError, match="leave --units, --horizon and --cell alone"):
        fine_tunable(Settings(units=4, lookback=120), 0)
