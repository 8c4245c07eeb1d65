import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.telemetry.quantities import (
    carousel_share,
    cell_drift,
    forget_time_scale,
    memory,
    noise_scale,
    omega,
    update_ratio,
)


@given(rate=st.floats(0.5, 0.999), start=st.floats(1e-3, 1e3), lags=st.integers(2, 200))
def test_the_memory_of_a_gradient_that_falls_by_a_constant_factor_is_that_factor(rate, start, lags):
    decay = memory(start * rate ** np.arange(lags))
    assert decay.rate == pytest.approx(rate, rel=1e-6)
    assert decay.horizon_sessions == pytest.approx(-1 / np.log(rate), rel=1e-4)


def test_a_gradient_that_grows_has_a_rate_above_one_and_no_horizon():
    decay = memory(1.1 ** np.arange(50))
    assert decay.rate == pytest.approx(1.1)
    assert decay.horizon_sessions == np.inf
    assert memory(np.ones(10)).horizon_sessions > 1e9


def test_a_tail_that_changes_nothing_does_not_bend_the_fit():
    clean = 0.5 ** np.arange(20.0)
    for floor in (1e-5, 1e-9, 0.0):
        tail = np.concatenate([clean, np.full(80, floor)])
        assert memory(tail).rate == pytest.approx(0.5, rel=1e-9)
        assert memory(tail).horizon_sessions == pytest.approx(1 / np.log(2))


def test_a_plateau_before_the_fall_is_memory():
    plateau = np.concatenate([np.ones(30), 0.5 ** np.arange(40.0)])
    assert memory(plateau).horizon_sessions == pytest.approx(30 + 1 / np.log(2))


def test_the_horizon_is_read_off_a_curve_that_bends():
    bent = np.concatenate([[1.0], 0.3 * 0.98 ** np.arange(60.0)])
    assert 0 < memory(bent).horizon_sessions < 1


@pytest.mark.parametrize("norms", [[], [1.0], [0.0, 0.0], [np.nan, 1.0], [1.0, np.inf]])
def test_where_nothing_can_be_told_the_memory_is_not_a_number(norms):
    assert np.isnan(memory(np.array(norms))).all()


def test_omega_is_zero_where_the_norm_is_kept_and_that_of_the_paper_elsewhere():
    assert omega(np.ones(9)) == 0
    assert omega(0.5 ** np.arange(9.0)) == pytest.approx(0.25)
    assert omega(3 ** np.arange(9.0)) == pytest.approx(4)
    assert np.isnan(omega(np.zeros(3)))


def test_the_carousel_share_goes_from_nothing_to_all():
    ones = np.ones(4)
    assert carousel_share(0 * ones, ones) == 0
    assert carousel_share(ones, 0 * ones) == 1
    assert carousel_share(3 * ones, ones) == pytest.approx(0.75)


def test_the_time_scale_of_keras_forget_bias_is_3_7_sessions():
    forget = 1 / (1 + np.exp(-1.0))
    assert forget_time_scale(np.array([forget]))[0] == pytest.approx(3.718, abs=1e-3)


def test_a_cell_that_only_adds_drifts_by_two_and_a_bounded_one_by_one():
    assert cell_drift(np.arange(1.0, 101)) == pytest.approx(2, rel=0.02)
    assert cell_drift(np.full(50, 0.7)) == 1


def test_the_noise_scale_is_that_the_gradients_were_drawn_with():
    rng = np.random.default_rng(0)
    true, spread, rows = rng.normal(size=400), 3.0, 512
    parts = true + rng.normal(0, spread / np.sqrt(rows / 8), (8, 400))
    expected = spread**2 * 400 / (true**2).sum()
    assert noise_scale(parts, rows) == pytest.approx(expected, rel=0.1)
    assert noise_scale(parts - parts.mean(0), rows) == np.inf


def test_the_update_ratio_of_a_weight_that_is_zero_is_finite():
    ratio = update_ratio(np.array([0.1, 0.1, 0.0]), np.array([10.0, 0.0, 0.0]))
    assert ratio[0] == pytest.approx(0.01)
    assert np.isfinite(ratio).all()
    assert ratio[2] == 0
