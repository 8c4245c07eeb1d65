import numpy as np
import pandas as pd
import pytest

from forecast.jobs import fans
from forecast.jobs.prepare import Prepared
from forecast.models.baselines import History
from forecast.prices import next_sessions
from forecast.settings import Settings
from forecast.windows import make_splits


@pytest.fixture(scope="module")
def prepared(make_panel):
    panel = make_panel(tickers=2, sessions=600, holes=5)
    return Prepared(panel, make_splits(panel, Settings(horizon=30, lookback=40)), [])


@pytest.fixture(scope="module")
def model(prepared):
    return History(250).fit(prepared.panel, prepared.until)


def test_the_newest_session_is_forecast_over_sessions_that_are_still_to_come(prepared, model):
    frame = fans.past_fans("some", model, prepared, 3)
    last = prepared.panel.sessions[-1]
    newest = frame[frame["cutoff"] == last]
    assert newest["y"].isna().all()
    assert set(newest["ds"]) == set(next_sessions("XNYS", last, 3))
    assert newest["some"].notna().all()


def test_outcomes_are_the_prices_of_the_panel(prepared, model):
    frame = fans.past_fans("some", model, prepared, 3).dropna(subset="y")
    close = prepared.panel.field("adj_close")
    observed = [close.loc[row.ds, row.unique_id] for row in frame.itertuples()]
    assert np.allclose(frame["y"], observed, rtol=1e-12)


def test_cutoffs_and_horizons_are_thinned_evenly_to_what_a_page_can_hold(
    prepared, model, monkeypatch
):
    monkeypatch.setattr(fans, "MOST_ROWS", 2 * 20 * 10)
    frame = fans.past_fans("some", model, prepared, 30)
    cutoffs = np.sort(frame["cutoff"].unique())
    places = prepared.panel.sessions.get_indexer(cutoffs)
    assert len(cutoffs) == 10
    assert places[0] == prepared.splits.test[0]
    assert places[-1] == len(prepared.panel.sessions) - 1
    assert np.ptp(np.diff(places)) <= 1
    horizons = np.sort(frame["h"].unique())
    assert len(horizons) == 20
    assert horizons[0] == 1
    assert horizons[-1] == 30


def test_of_too_many_tickers_some_are_taken_evenly_and_their_forecasts_stay_the_same(
    make_panel, monkeypatch, tmp_path
):
    panel = make_panel(tickers=5, sessions=600, late=100)
    prepared = Prepared(panel, make_splits(panel, Settings(horizon=30, lookback=40)), [])
    model = History(250).fit(panel, prepared.until)
    every = fans.past_fans("some", model, prepared, 2)
    monkeypatch.setattr(fans, "MOST_ROWS", 3 * 2 * fans.CUTOFFS)
    frame = fans.past_fans("some", model, prepared, 2)
    assert sorted(frame["unique_id"].unique()) == ["S00", "S02", "S04"]
    assert len(frame) == 3 * 2 * fans.CUTOFFS
    keys = ["unique_id", "cutoff", "h"]
    same = every.merge(frame[keys], on=keys, how="right")
    pd.testing.assert_frame_equal(frame.reset_index(drop=True), same[list(frame)])
    (tmp_path / "plots").mkdir()
    fans.write_fans(tmp_path, prepared, {"some": model}, 2)
    assert set(pd.read_parquet(tmp_path / "prices.parquet")["unique_id"]) == {"S00", "S02", "S04"}
    pictures = {path.name for path in (tmp_path / "plots").iterdir()}
    assert pictures == {"fan_S00.png", "fan_S02.png", "fan_S04.png"}


def test_the_band_of_the_baseline_lies_beside_the_network(prepared, model):
    frame = fans.past_fans("some", model, prepared, 3)
    beside = [c for c in frame if c.startswith("ewma-t")]
    assert beside == ["ewma-t-lo-90", "ewma-t-hi-90"]
    assert (frame["ewma-t-lo-90"] < frame["ewma-t-hi-90"]).all()
    assert frame["some-lo-90"].dtype == np.float32


def test_prices_begin_a_year_before_the_test_part_and_skip_holes(prepared):
    long = fans.recent_prices(prepared, prepared.panel.tickers)
    panel = prepared.panel
    assert long["ds"].min() >= panel.sessions[prepared.splits.test[0] - 250]
    assert long["ds"].max() == panel.sessions[-1]
    wide = long.pivot_table(values="adj_close", index="ds", columns="unique_id")
    expected = panel.field("adj_close").loc[wide.index]
    pd.testing.assert_frame_equal(wide, expected, check_names=False, check_freq=False)


def test_frames_and_a_picture_per_ticker_are_written(prepared, model, tmp_path):
    (tmp_path / "plots").mkdir()
    fans.write_fans(tmp_path, prepared, {"some": model}, 3)
    assert {path.name for path in tmp_path.iterdir()} == {"fans.parquet", "prices.parquet", "plots"}
    assert len(list((tmp_path / "plots").glob("fan_*.png"))) == 2
    assert len(pd.read_parquet(tmp_path / "fans.parquet")) > 0
