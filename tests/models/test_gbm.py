import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor

from forecast.evaluation.backtest import level_index, make_cutoffs, walk_forward
from forecast.evaluation.scores import scores, summary
from forecast.models.base import LEVELS
from forecast.models.baselines.gbm import FITTED_HORIZONS, FITTED_LEVELS, GbmQuantiles
from forecast.windows.features import causal_features


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=900, seed=6, holes=4)


@pytest.fixture(scope="module")
def model(panel):
    return GbmQuantiles(rows=5000, trees=20).fit(panel, panel.sessions[699])


def test_a_fitted_level_equals_scikit_learn_times_the_volatility(panel, model):
    cutoffs = make_cutoffs(panel, panel.sessions[800])
    quantiles = model.forecast(panel, cutoffs, (5,))
    features = causal_features(panel)
    session, ticker = panel.locate(cutoffs)
    x = np.column_stack([features.values[ticker, session], np.full(len(cutoffs), np.log(5))])
    assert all(isinstance(m, HistGradientBoostingRegressor) for m in model.models_)
    by_level = np.sort([m.predict(x.astype(np.float32)) for m in model.models_], axis=0)
    sigma = features.volatility[ticker, session] * np.sqrt(5)
    for expected, level in zip(by_level, FITTED_LEVELS, strict=True):
        got = quantiles[:, 0, level_index(LEVELS, level)]
        np.testing.assert_allclose(got, sigma * expected, rtol=1e-5, atol=1e-8)


def test_models_that_cross_are_put_in_order(panel, model):
    cutoffs = make_cutoffs(panel, panel.sessions[800])
    crossed = clone(model)
    crossed.models_ = model.models_[::-1]
    np.testing.assert_array_equal(
        crossed.forecast(panel, cutoffs, (5,)), model.forecast(panel, cutoffs, (5,))
    )


def test_no_training_target_ends_after_the_training_period(panel, model):
    until = panel.sessions[699]
    x, y = GbmQuantiles(rows=10**6)._training_rows(panel.select(end=until))
    seen = np.isfinite(panel.level[:700])
    ready = seen & (seen.cumsum(axis=0) > 20)  # the volatility needs 20 returns
    for h in FITTED_HORIZONS:
        rows = np.isclose(x[:, -1], np.log(h))
        assert rows.sum() == (ready[:-h] & seen[h:]).sum()
    assert np.isfinite(y).all()


def test_it_is_calibrated_on_garch_prices(panel, model):
    cutoffs = make_cutoffs(panel, panel.sessions[700], horizon=20)
    means = summary(scores(walk_forward({"gbm": model}, panel, cutoffs, (1, 5)), panel))
    assert means["coverage_90"].between(0.85, 0.95).all()
