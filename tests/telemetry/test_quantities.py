import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.telemetry.quantities import memory, saturation, update_ratio


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


def test_what_lies_in_the_noise_of_float32_does_not_bend_the_fit():
    clean = 0.5 ** np.arange(20.0)
    noisy = np.concatenate([clean, np.full(80, 1e-9)])
    assert memory(noisy).rate == pytest.approx(memory(clean).rate, rel=1e-9)
    recovered = np.concatenate([clean, [1e-9], np.ones(5)])
    assert memory(recovered).rate == pytest.approx(0.5)


@pytest.mark.parametrize("norms", [[], [1.0], [0.0, 0.0], [np.nan, np.nan], [1.0, 0.0, 1.0]])
def test_where_nothing_can_be_fitted_the_memory_is_zero(norms):
    assert memory(np.array(norms)) == (0, 0)


def test_saturation_is_the_share_of_gates_stuck_open_or_shut():
    assert saturation(np.array([0.0, 0.05, 0.1, 0.5, 0.9, 0.95, 1.0, 0.3])) == 0.5
    assert saturation(np.full((2, 3), 0.5)) == 0


def test_the_update_ratio_of_a_weight_that_is_zero_is_finite():
    ratio = update_ratio(np.array([0.1, 0.1, 0.0]), np.array([10.0, 0.0, 0.0]))
    assert ratio[0] == pytest.approx(0.01)
    assert np.isfinite(ratio).all()
    assert ratio[2] == 0
