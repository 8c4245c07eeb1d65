"""Prices that are awkward from end to end: each run works and says what it left out."""

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.evaluation.scorecard import Scorecard
from forecast.prices import garch_prices

SMALL = ["--cell", "gru", "--units", "2", "--epochs", "1", "--steps-per-epoch", "2"]
SMALL += ["--lookback", "24", "--batch-size", "8", "--no-report", "--telemetry", "off"]
SMALL += ["--name", "x"]


@pytest.fixture
def run(tmp_path, capsys, few_baselines):
    """Write prices as CSV, run a command on them and return what it printed."""

    def call(command, *arguments, rows=None):
        arguments = [*map(str, arguments), "--runs-dir", str(tmp_path / "runs")]
        if rows is not None:
            rows.to_csv(tmp_path / "prices.csv", index=False)
            arguments += ["--source", "csv", "--csv", str(tmp_path / "prices.csv"), *SMALL]
        with few_baselines(), pytest.raises(SystemExit) as stopped:
            main([command, *arguments])
        said = capsys.readouterr()
        assert stopped.value.code == 0, said.err
        return said.out

    call.folder = tmp_path / "runs" / "x"
    return call


def awkward():
    """One series listed in the test part, one that ends before it, one flat for half a year."""
    rows = garch_prices(4, 900, 1)
    place = rows.groupby("unique_id").cumcount()
    flat = (rows["unique_id"] == "S03") & place.between(500, 620)
    rows.loc[flat, ["open", "high", "low", "close", "adj_close"]] = 50.0
    late = (rows["unique_id"] == "S01") & (place < 560)
    early = (rows["unique_id"] == "S02") & (place > 480)
    return rows[~(late | early)]


def test_series_that_start_late_end_early_or_stand_still_are_trained_on_and_scored(run):
    said = run("train", "--horizon", 5, "--test-start", "2012-01-17", rows=awkward())
    assert "ends early" in said
    assert "120 equal closes" in said or "121 equal closes" in said
    card = Scorecard.read(run.folder)
    by_ticker = card.scores.query("by == 'ticker' and model == 'gru' and h == 1")
    assert set(by_ticker["group"]) == {"S00", "S01", "S03"}  # S02 is gone by then
    assert card.scores["crps"].notna().all()
    left = [line for line in said.splitlines() if "too little history" in line]
    forecasts = pd.read_parquet(run.folder / "forecasts.parquet").query("h == 1")
    missing = int(forecasts["gru"].isna().sum())
    assert missing > 0
    assert left == [f"  {missing} of {len(forecasts):,} origins not scored: a model had too "
                    "little history there"]  # fmt: skip
    again = run("backtest", "--refit-every", 250, "--step", 20, "--window", "rolling")
    assert again.count("saved after") == 2


PRICES = ["open", "high", "low", "close", "adj_close"]


def extreme():
    """Prices of 1e-7 and 1e9, one in yen, one that jumps a thousandfold, one flat at first."""
    rows = garch_prices(5, 900, 1)
    place = rows.groupby("unique_id").cumcount()
    for name, factor, first in (
        *(("S00", 1e-8, 0), ("S01", 1e7, 0), ("S02", 150.0, 0)),
        *(("S03", 1000.0, 400), ("S03", 1e-5, 760)),
    ):
        rows.loc[(rows["unique_id"] == name) & (place >= first), PRICES] *= factor
    rows.loc[(rows["unique_id"] == "S04") & (place < 100), PRICES] = 42.0
    return rows


def test_extreme_prices_give_finite_forecasts_and_scores(run):
    said = run("train", "--horizon", 5, rows=extreme())  # a warning would be an error
    assert "S03 2011-08-04: large step" in said
    assert "S04 2010-01-04: flat prices: 100 equal closes of 42, kept" in said
    forecasts = pd.read_parquet(run.folder / "forecasts.parquet")
    numbers = forecasts.select_dtypes("number")
    assert np.isfinite(numbers).all(axis=None)
    assert (numbers > 0).all(axis=None)
    for ticker, (low, high) in {"S00": (1e-8, 1e-5), "S01": (1e8, 1e10)}.items():
        one = forecasts.loc[forecasts["unique_id"] == ticker, "gru"]
        assert one.between(low, high).all()
    assert np.isfinite(Scorecard.read(run.folder).scores["crps"]).all()
    history = pd.read_csv(run.folder / "history.csv")
    assert history[["loss", "val_loss"]].max(axis=None) < 2  # in volatilities


def test_prices_that_never_move_are_refused_before_training(tmp_path, capsys):
    rows = garch_prices(1, 500, 1)
    rows[PRICES] = 42.0
    rows.to_csv(tmp_path / "flat.csv", index=False)
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--source", "csv", "--csv", str(tmp_path / "flat.csv")])
    assert stopped.value.code == 2
    assert "the close stays 42 for 500 sessions" in capsys.readouterr().err


def test_one_series_and_one_horizon_are_enough(run):
    said = run("train", "--horizon", 1, rows=garch_prices(1, 900, 1))
    assert "1 session ahead" in said
    card = Scorecard.read(run.folder)
    assert set(card.scores["h"]) == {1}
    assert "Value at risk 5 %" in run("scores")
