import numpy as np
import pytest
from scipy import stats

from forecast.evaluation.backtest import make_cutoffs
from forecast.models.base import LEVELS
from forecast.models.baselines.har import FLOOR, Har, _mean_absolute


def test_har_equals_a_plain_regression_written_out(make_panel):
    panel = make_panel(tickers=2, sessions=400, seed=9)
    end, h = 299, 5
    returns = np.diff(panel.level, axis=0, prepend=np.nan)
    scale = np.nanstd(returns[: end + 1], axis=0, ddof=1)
    z = returns / scale

    def row(t, u):
        spans = [z[max(1, t - span + 1) : t + 1, u] for span in (1, 5, 22)]
        return [1.0] + [np.log(np.mean(span**2) + FLOOR) for span in spans]

    x, y, moved = [], [], []
    for u in range(2):
        for t in range(1, end - h + 1):
            x.append(row(t, u))
            y.append(np.log(np.mean(z[t + 1 : t + h + 1, u] ** 2) + FLOOR))
            moved.append(abs(z[t + 1 : t + h + 1, u].sum()))
    x, y = np.array(x), np.array(y)
    penalty = np.diag([0.0, 1.0, 1.0, 1.0])  # the intercept is free
    line = np.linalg.solve(x.T @ x + penalty, x.T @ y)
    unit = stats.t(5, scale=np.sqrt(3 / 5))
    mean_absolute = 2 * unit.expect(lambda v: v, lb=0)
    factor = np.mean(moved / np.sqrt(h * np.exp(x @ line))) / mean_absolute

    cutoffs = make_cutoffs(panel, panel.sessions[350]).iloc[::13]
    quantiles = Har().fit(panel, panel.sessions[end]).forecast(panel, cutoffs, (h,))
    session, ticker = panel.locate(cutoffs)
    for n, (t, u) in enumerate(zip(session, ticker, strict=True)):
        sigma = factor * scale[u] * np.sqrt(h * np.exp(np.dot(row(t, u), line)))
        np.testing.assert_allclose(quantiles[n, 0], sigma * unit.ppf(LEVELS), rtol=2e-4, atol=1e-7)


def test_the_mean_absolute_of_the_t_equals_scipy():
    unit = stats.t(5, scale=np.sqrt(3 / 5))
    assert _mean_absolute(5.0) == pytest.approx(2 * unit.expect(lambda v: v, lb=0), rel=1e-6)


def test_horizons_beyond_the_longest_use_its_regression(make_panel):
    panel = make_panel(tickers=2, sessions=400, seed=9)
    model = Har(longest=3).fit(panel, panel.sessions[299])
    cutoffs = make_cutoffs(panel, panel.sessions[390])
    three, twelve = np.moveaxis(model.forecast(panel, cutoffs, (3, 12)), 1, 0)
    np.testing.assert_allclose(twelve, 2 * three, rtol=1e-6)
