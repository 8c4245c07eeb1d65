import doctest

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import forecast.evaluation.folds
from forecast.errors import InputError
from forecast.evaluation.backtest import (
    join,
    make_cutoffs,
    quantile_frame,
    read_quantile_frame,
    walk_forward,
)
from forecast.evaluation.folds import Schedule, make_folds, refit, walk_folds
from forecast.models.base import Forecaster
from forecast.models.baselines.drift import Drift
from forecast.models.baselines.ewma import EwmaT


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=2, sessions=700, seed=8, holes=5)


def test_the_printed_example_is_true():
    assert doctest.testmod(forecast.evaluation.folds).failed == 0


@settings(max_examples=20, deadline=None)
@given(
    refit_every=st.integers(0, 150),
    step=st.integers(1, 30),
    embargo=st.integers(0, 40),
    horizon=st.integers(1, 40),
    window=st.sampled_from(["expanding", "rolling"]),
)
def test_folds_cover_every_cutoff_once_and_learn_from_their_past_alone(
    panel, refit_every, step, embargo, horizon, window
):
    schedule = Schedule(refit_every, step, embargo, horizon, window)
    sessions = panel.sessions
    folds = make_folds(panel, sessions[400], sessions[660], schedule)
    position = sessions.get_indexer
    lengths = set()
    for fold in folds:
        from_, origin, until, first, last = position(
            [fold.train_from, fold.last_origin, fold.train_until, fold.first, fold.last]
        )
        assert until == first - 1 - embargo
        assert origin + horizon == until
        assert first <= last <= min(660, 699 - horizon)
        assert refit_every == 0 or last - first < refit_every
        lengths.add(until - from_ + 1)
        assert window == "rolling" or from_ == 0
    assert window == "expanding" or lengths == {400 - embargo}
    every = pd.concat([fold.cutoffs(panel) for fold in folds])
    assert not every.duplicated().any()
    grid = sessions[400 : min(660, 699 - horizon) + 1 : step]
    expected = make_cutoffs(panel, sessions[0])
    assert len(every) == expected["cutoff"].isin(grid).sum()
    assert len(folds) == 1 or refit_every > 0


class Spy(Forecaster):
    """Remembers what it was fitted on; forecasts the number of training sessions."""

    name = "spy"

    def __init__(self, extra=0):
        self.extra = extra

    def fit(self, panel, until):
        self.seen_ = panel.sessions
        assert panel.sessions[-1] == until
        return self

    def forecast(self, panel, cutoffs, horizons, levels):
        return np.full((len(cutoffs), len(horizons), len(levels)), len(self.seen_))


def test_every_fold_is_forecast_by_a_clone_that_saw_its_training_sessions_alone(panel):
    schedule = Schedule(refit_every=100, embargo=3, window="rolling")
    folds = make_folds(panel, panel.sessions[400], None, schedule)
    original = Spy(extra=5)
    fitted = refit({"spy": original}, panel, folds[1])["spy"]
    assert fitted is not original
    assert fitted.extra == 5
    assert list(fitted.seen_[[0, -1]]) == [folds[1].train_from, folds[1].train_until]
    parts = [part for _, part in walk_folds({"spy": original}, panel, folds, (1, 20))]
    whole = join(parts)
    assert not hasattr(original, "seen_")
    assert (whole.quantiles["spy"] == 397).all()
    assert len(whole.cutoffs) == len(make_cutoffs(panel, panel.sessions[400], horizon=20))


def test_training_once_equals_the_simple_walk(panel):
    sessions = panel.sessions
    folds = make_folds(panel, sessions[400], None, Schedule())
    ((_, part),) = walk_folds({"drift": Drift(), "ewma-t": EwmaT()}, panel, folds, (1, 20))
    models = {"drift": Drift().fit(panel, sessions[399]), "ewma-t": EwmaT()}
    simple = walk_forward(models, panel, make_cutoffs(panel, sessions[400], horizon=20), (1, 20))
    np.testing.assert_array_equal(part.actual, simple.actual)
    for model in models:
        np.testing.assert_allclose(part.quantiles[model], simple.quantiles[model], rtol=1e-6)


@pytest.fixture(scope="module")
def wide(make_panel):
    return make_panel(tickers=9, sessions=700, seed=2, holes=5)


def test_few_origins_are_all_forecast_and_of_many_tickers_some_the_same_in_every_fold(wide):
    schedule, first = Schedule(refit_every=100), wide.sessions[400]
    folds = make_folds(wide, first, None, schedule)
    count = sum(len(fold.cutoffs(wide)) for fold in folds)
    assert make_folds(wide, first, None, schedule, most=count) == folds
    chosen = make_folds(wide, first, None, schedule, most=count * 4 // 9 - 1)
    assert {fold.tickers for fold in chosen} == {("S00", "S04", "S08")}
    for all_of_it, some in zip(folds, chosen, strict=True):
        every = all_of_it.cutoffs(wide)
        every = every[every["unique_id"].isin(some.tickers)]
        pd.testing.assert_frame_equal(
            some.cutoffs(wide).astype({"unique_id": str}),
            every.astype({"unique_id": str}).reset_index(drop=True),
        )
        assert some.facts(wide)["tickers"] == 3
        assert "tickers" not in all_of_it.facts(wide)
    (one,) = make_folds(wide, first, None, Schedule(), most=1)
    assert one.tickers == ("S00",)


class Market(Spy):
    """Sees the market, and says of how many tickers it was fitted and forecasts."""

    name = "market"
    sees_market = True

    def fit(self, panel, until):
        self.width_ = len(panel.tickers)
        return super().fit(panel, until)

    def forecast(self, panel, cutoffs, horizons, levels):
        width = 100 * self.width_ + len(panel.tickers)
        return np.full((len(cutoffs), len(horizons), len(levels)), width)


class Alone(Market):
    name = "alone"
    sees_market = False


def test_models_that_see_no_market_are_fitted_to_the_tickers_of_the_fold_alone(wide):
    (fold,) = make_folds(wide, wide.sessions[400], None, Schedule(), most=600)
    models = {"alone": Alone(), "market": Market(), "ewma-t": EwmaT()}
    ((_, part),) = walk_folds(models, wide, [fold], (1, 20))
    assert part.models == list(models)
    assert (part.quantiles["alone"] == 202).all()
    assert (part.quantiles["market"] == 909).all()
    whole = walk_forward({"ewma-t": EwmaT()}, wide, part.cutoffs, (1, 20))
    np.testing.assert_array_equal(part.actual, whole.actual)
    np.testing.assert_allclose(part.quantiles["ewma-t"], whole.quantiles["ewma-t"], rtol=1e-6)


def test_a_saved_part_comes_back_as_it_was(panel, tmp_path):
    cutoffs = make_cutoffs(panel, panel.sessions[600])
    models = {"ewma-t": EwmaT(), "drift": Drift().fit(panel, panel.sessions[500])}
    backtest = walk_forward(models, panel, cutoffs, (1, 20))
    quantile_frame(backtest, backtest.levels).to_parquet(tmp_path / "fold.parquet")
    back = read_quantile_frame(pd.read_parquet(tmp_path / "fold.parquet"))
    assert back.horizons == backtest.horizons
    assert back.models == backtest.models
    np.testing.assert_array_equal(back.levels, backtest.levels)
    np.testing.assert_array_equal(back.actual, backtest.actual)
    for model in models:
        np.testing.assert_array_equal(back.quantiles[model], backtest.quantiles[model])
    pd.testing.assert_frame_equal(
        back.cutoffs.astype({"unique_id": str}), cutoffs.astype({"unique_id": str})
    )


def test_too_little_training_data_says_how_much_is_missing(panel):
    with pytest.raises(
        InputError, match=r"195 training sessions .*embargo 5\); 250 \+ horizon 20 need 270"
    ):
        make_folds(panel, panel.sessions[200], None, Schedule(embargo=5))


def test_a_range_without_cutoffs_says_what_the_prices_are(panel):
    with pytest.raises(InputError, match="No cutoff has 20 sessions after it: the prices run"):
        make_folds(panel, panel.sessions[690], None, Schedule())
