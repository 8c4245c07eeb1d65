import numpy as np
import pandas as pd
import pytest
from arch import arch_model

from forecast.evaluation.backtest import make_cutoffs
from forecast.models.base import LEVELS
from forecast.models.baselines.garch import (
    Garch,
    GarchParameters,
    Paths,
    fit_garch,
    next_variance,
    simulate_quantiles,
    without_flat_runs,
)

PARAMETERS = GarchParameters(0.02, 0.02, 0.04, 0.08, 0.90, 1.0)


@pytest.fixture(scope="module")
def returns(make_panel):
    log_return = np.diff(make_panel(tickers=1, sessions=1500, seed=7).level[:, 0])
    return log_return / log_return.std()


@pytest.fixture(scope="module")
def fitted_by_arch(returns):
    return {o: arch_model(returns, o=o, dist="t", rescale=False).fit(disp="off") for o in (0, 1)}


@pytest.mark.parametrize("o", [0, 1])
def test_the_variance_recursion_equals_arch(returns, fitted_by_arch, o):
    parameters, residuals = fit_garch(returns, asymmetric=bool(o))
    theirs = fitted_by_arch[o]
    np.testing.assert_allclose(
        next_variance(returns, parameters)[:-1], theirs.conditional_volatility[1:] ** 2, rtol=1e-9
    )
    np.testing.assert_allclose(residuals, theirs.std_resid, rtol=1e-9)


@pytest.mark.parametrize("o", [0, 1])
def test_the_simulated_quantiles_equal_those_of_archs_bootstrap(returns, fitted_by_arch, o):
    parameters, residuals = fit_garch(returns, asymmetric=bool(o))
    paths = fitted_by_arch[o].forecast(
        horizon=20,
        method="bootstrap",
        simulations=40_000,
        reindex=False,
        random_state=np.random.RandomState(1),
    )
    theirs = np.cumsum(paths.simulations.values[-1], axis=1)  # (P, 20)
    shocks = np.quantile(residuals, (np.arange(40_000) + 0.5) / 40_000)
    ours = simulate_quantiles(
        parameters,
        Paths(shocks, np.random.default_rng(0)),
        next_variance(returns, parameters)[-1:],
        (1, 5, 20),
        LEVELS,
    )[0]
    for k, h in enumerate((1, 5, 20)):
        expected = np.quantile(theirs[:, h - 1], LEVELS)
        got = ours[k] + h * parameters.mean
        spread = expected[-1] - expected[0]
        np.testing.assert_allclose(got, expected, atol=0.02 * spread)


def test_quantiles_between_the_grid_equal_a_simulation_from_the_variance_itself():
    shocks = np.random.default_rng(0).standard_t(5, 2000) / np.sqrt(5 / 3)
    levels = LEVELS[4::10]
    starts, horizons = np.array([0.07, 0.9, 11.3]), (1, 5, 20)
    paths = Paths(shocks, np.random.default_rng(3))
    simulated = simulate_quantiles(PARAMETERS, paths, starts, horizons, levels)
    for start, of_start in zip(starts, simulated, strict=True):
        rng = np.random.default_rng(3)
        total, variance = np.zeros(2000), np.full(2000, start)
        for step in range(1, 21):
            move = np.sqrt(variance) * rng.permutation(shocks)
            total += move
            gamma = PARAMETERS.gamma * (move < 0)
            variance = (
                PARAMETERS.omega + (PARAMETERS.alpha + gamma) * move**2 + PARAMETERS.beta * variance
            )
            if step in horizons:
                got = of_start[horizons.index(step)]
                expected = np.quantile(total, levels)
                np.testing.assert_allclose(got, expected, atol=2e-3 * np.ptp(expected))


def test_a_session_without_a_return_leaves_the_variance_as_it_was():
    variance = next_variance(np.array([0.5, np.nan, np.nan, -1.0]), PARAMETERS)
    assert variance[0] == variance[1] == variance[2]
    shock = -1.0 - 0.02
    assert variance[3] == pytest.approx(0.02 + 0.12 * shock**2 + 0.90 * variance[2])


def test_runs_of_five_equal_closes_are_left_out_of_the_fit():
    returns = np.array([0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, -1.0, 0, 0, 0, 0, 0, 0, 2.0, 0])
    np.testing.assert_array_equal(without_flat_runs(returns), [1.0, 0, 0, 0, 0, -1.0, 2.0, 0])
    assert without_flat_runs(np.zeros(9)).size == without_flat_runs(np.zeros(0)).size == 0


def test_a_flat_start_does_not_spoil_the_fit(make_panel):
    panel = make_panel(tickers=1, sessions=900, seed=3)
    frame = panel.frame.copy()
    frame.iloc[:250] = frame.iloc[250].to_numpy()
    flat = type(panel)(frame, "synthetic", "", "XNYS")
    parameters = Garch().fit(flat, flat.sessions[-1]).parameters_["S00"]
    assert 0.8 < parameters.alpha + parameters.beta < 1
    assert parameters.omega > 1e-4


def test_the_band_of_a_fitted_garch_covers_what_it_says(make_panel):
    panel = make_panel(tickers=4, sessions=1800, seed=11)
    model = Garch(paths=2000).fit(panel, panel.sessions[999])
    cutoffs = make_cutoffs(panel, panel.sessions[1000], horizon=5)
    low, high = np.moveaxis(model.forecast(panel, cutoffs, (5,), LEVELS[[4, 94]])[:, 0], 1, 0)
    session, ticker = panel.locate(cutoffs)
    outcome = panel.level[session + 5, ticker] - panel.level[session, ticker]
    assert ((low <= outcome) & (outcome <= high)).mean() == pytest.approx(0.9, abs=0.02)


def test_a_ticker_without_training_data_takes_the_typical_parameters(make_panel):
    panel = make_panel(tickers=3, sessions=700, seed=3, late=500)
    model = Garch(paths=200).fit(panel, panel.sessions[599])
    assert set(model.parameters_) == set(panel.tickers[:2])
    cutoff = pd.DataFrame({"unique_id": panel.tickers[2:], "cutoff": panel.sessions[650:651]})
    quantiles = model.forecast(panel, cutoff, (1, 5))
    assert np.isfinite(quantiles).all()
    assert model.typical_.alpha == pytest.approx(
        np.median([p.alpha for p in model.parameters_.values()])
    )


def test_without_any_ticker_to_fit_the_forecast_is_nan(make_panel):
    panel = make_panel(tickers=2, sessions=200, seed=3)
    model = Garch().fit(panel, panel.sessions[150])
    assert np.isnan(model.forecast(panel, make_cutoffs(panel, panel.sessions[160]), (1,))).all()


def test_the_seed_decides_the_paths(make_panel):
    panel = make_panel(tickers=1, sessions=500, seed=3)
    cutoffs = make_cutoffs(panel, panel.sessions[490])
    a, b, c = (
        Garch(paths=200, seed=seed).fit(panel, panel.sessions[450]).forecast(panel, cutoffs, (5,))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
