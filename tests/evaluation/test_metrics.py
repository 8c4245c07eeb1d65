import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from sklearn.metrics import d2_pinball_score, mean_pinball_loss
from utilsforecast.losses import mase, quantile_loss

from forecast.evaluation import metrics
from forecast.models.levels import LEVELS


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_pinball_equals_scikit_learn_and_utilsforecast(rng):
    y, quantiles = rng.normal(size=50), np.sort(rng.normal(size=(50, 99)), axis=1)
    ours = metrics.pinball(y, quantiles, LEVELS)
    for q in (0, 49, 98):
        level = LEVELS[q]
        theirs = mean_pinball_loss(y, quantiles[:, q], alpha=level)
        assert ours[:, q].mean() == pytest.approx(theirs, rel=1e-12)
        frame = pd.DataFrame({"unique_id": "A", "y": y, "m": quantiles[:, q]})
        assert ours[:, q].mean() == pytest.approx(
            quantile_loss(frame, {"m": "m"}, q=level)["m"].iloc[0], rel=1e-12
        )
    assert d2_pinball_score(y, y) == 1  # the oracle is minimal where ours is
    assert metrics.pinball(y, y[:, None] * np.ones(99), LEVELS).max() == 0


def test_crps_of_a_normal_is_near_its_closed_form():
    for y in (-0.7, 0.0, 1.3):
        z = np.array([y])
        closed = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
        ours = metrics.crps(z, stats.norm.ppf(LEVELS)[None], LEVELS)[0]
        assert ours == pytest.approx(closed, abs=0.02)


def test_coverage_violation_and_direction_count_as_their_names_say():
    y = np.array([-1.0, 0.0, 1.0, np.nan, 2.0])
    low, high = np.full(5, -0.5), np.full(5, 1.0)
    np.testing.assert_equal(metrics.covered(y, low, high), [0, 1, 1, np.nan, 0])
    np.testing.assert_equal(metrics.below(y, low), [1, 0, 0, np.nan, 0])
    median = np.array([-0.1, 0.2, -0.3, 0.1, 0.0])
    np.testing.assert_equal(metrics.direction_hit(y, median), [1, np.nan, 0, np.nan, np.nan])


def test_log_score_is_the_log_of_a_density_that_integrates_to_one():
    quantiles = stats.norm.ppf(LEVELS)
    grid = np.linspace(-12, 12, 200_001)
    score = metrics.log_score(grid, np.tile(quantiles, (len(grid), 1)), LEVELS)
    assert integrate.trapezoid(np.exp(-score), grid) == pytest.approx(1, abs=1e-3)
    expected = integrate.trapezoid(score * stats.norm.pdf(grid), grid)
    assert expected == pytest.approx(stats.norm.entropy(), abs=0.02)
    assert expected > stats.norm.entropy()  # nothing scores better than the truth


def test_log_score_needs_a_density_and_the_right_levels():
    flat = np.zeros((1, 99))
    assert np.isnan(metrics.log_score(np.zeros(1), flat, LEVELS)).all()
    with pytest.raises(KeyError, match=r"log_score needs the levels 0\.01"):
        metrics.log_score(np.zeros(1), flat[:, :10], LEVELS[:10])


def test_mase_scale_agrees_with_utilsforecast(make_panel):
    panel = make_panel(tickers=2, sessions=120, seed=1)
    until = panel.sessions[99]
    price = panel.field("adj_close").loc[:until]
    train = price.melt(var_name="unique_id", value_name="y", ignore_index=False).reset_index()
    test = train.groupby("unique_id").tail(5).assign(m=1.0)
    theirs = mase(test, ["m"], seasonality=1, train_df=train).set_index("unique_id")["m"]
    errors = (test["y"] - 1).abs().groupby(test["unique_id"]).mean()
    ours = errors / metrics.mase_scale(panel, until)
    np.testing.assert_allclose(ours[theirs.index], theirs, rtol=1e-12)


def test_a_ticker_that_never_moved_has_no_mase_scale(make_panel):
    panel = make_panel(tickers=2, sessions=60, seed=1)
    panel.frame.loc[:, (slice(None), "S01")] = 50.0
    scale = metrics.mase_scale(panel, panel.sessions[-1])
    assert scale["S00"] > 0
    assert np.isnan(scale["S01"])
