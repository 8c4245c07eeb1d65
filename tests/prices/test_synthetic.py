import numpy as np
import pandas as pd
from arch.univariate import GARCH, ConstantMean, Normal

from forecast.prices import clean, garch_prices
from forecast.prices.sessions import sessions_between
from forecast.prices.synthetic import garch_returns


def test_the_same_seed_gives_the_same_prices_and_another_gives_others():
    first = garch_prices(2, 50, seed=7)
    pd.testing.assert_frame_equal(first, garch_prices(2, 50, seed=7))
    assert not np.allclose(first["close"], garch_prices(2, 50, seed=8)["close"])


def test_the_prices_pass_every_check_without_a_repair():
    for seed in range(5):
        frame = garch_prices(tickers=3, sessions=1000, seed=seed)
        panel, repairs = clean(frame, source="", sha256="", calendar="XNYS")
        assert repairs == []
        assert panel.frame.notna().all(axis=None)


def test_the_dates_are_sessions_from_the_start_on():
    days = pd.DatetimeIndex(garch_prices(1, 260, seed=0, start="2016-01-01")["ds"].unique())
    assert days.equals(sessions_between("XNYS", "2016-01-01", days[-1]))
    assert days[0] == pd.Timestamp("2016-01-04")


def test_the_returns_are_those_of_the_arch_library():
    noise = np.random.default_rng(0).standard_normal((300, 1))
    ours = garch_returns(noise)[:, 0]
    model = ConstantMean(ours, volatility=GARCH(1, 0, 1), distribution=Normal(), rescale=False)
    omega = 0.014**2 * 0.02
    variance = np.empty(300)
    model.volatility.compute_variance(
        np.array([omega, 0.08, 0.90]),
        ours,
        variance,
        backcast=0.014**2,
        var_bounds=np.tile([1e-12, 1.0], (300, 1)),
    )
    np.testing.assert_allclose(ours / np.sqrt(variance), noise[:, 0], rtol=1e-9)
