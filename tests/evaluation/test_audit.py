import numpy as np
import pandas as pd
import pytest
from scipy import stats

from forecast.evaluation.audit import (
    audit,
    future_of_inputs,
    no_skill,
    noise_after,
    random_walk,
    shuffled,
)
from forecast.models.base import LEVELS
from forecast.models.baselines import BASELINES
from forecast.models.baselines.drift import Drift
from forecast.models.baselines.ewma import EwmaT
from forecast.windows.features import causal_features, log_returns

HORIZONS = (1, 5)


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=900, seed=12, holes=4)


@pytest.fixture(scope="module")
def until(panel):
    return panel.sessions[599]


def passed(findings):
    return {finding.check: finding.passed for finding in findings}


class ScalerOfAllData(Drift):
    """The planted leak: its deviation is that of all sessions, whatever `until` says."""

    def fit(self, panel, until):
        return super().fit(panel, panel.sessions[-1])


class CentredMean(EwmaT):
    """The planted leak: its median is a mean of the sessions around the cutoff."""

    def forecast(self, panel, cutoffs, horizons, levels=LEVELS):
        quantiles = super().forecast(panel, cutoffs, horizons, levels)
        level = pd.DataFrame(panel.level)
        smooth = level.rolling(5, center=True, min_periods=1).mean().to_numpy() - panel.level
        session, ticker = panel.locate(cutoffs)
        return quantiles + smooth[session, ticker][:, None, None].astype(np.float32)


class Moody(Drift):
    """Not a leak, but not reproducible either."""

    def fit(self, panel, until):
        super().fit(panel, until)
        self.std_ = self.std_ * np.random.default_rng().uniform(0.9, 1.1)
        return self


@pytest.mark.parametrize("name", ["history-250", "drift", "ewma-t", "garch-t", "har"])
def test_an_honest_baseline_passes_every_check(name, panel, until):
    def fit(panel, until):
        model = BASELINES[name]()
        if name == "garch-t":
            model.set_params(paths=500)
        return model.fit(panel, until)

    findings = audit(fit, panel, until, HORIZONS)
    assert all(passed(findings).values()), "\n".join(map(str, findings))
    assert list(passed(findings)) == [
        "prices after the cutoff",
        "prices after the training period",
        "random walk",
        "shuffled returns",
    ]


def test_a_scaler_fitted_on_all_data_is_caught(panel, until):
    findings = audit(lambda p, u: ScalerOfAllData().fit(p, u), panel, until, HORIZONS)
    assert not passed(findings)["prices after the training period"]
    leak = str(next(f for f in findings if not f.passed))
    assert leak.startswith("LEAK  prices after the training period: the 0.01 quantile of S")
    assert f"when prices after {until.date()} changed" in leak


def test_a_centred_rolling_mean_is_caught_by_noise_and_by_impossible_skill(panel, until):
    findings = audit(lambda p, u: CentredMean().fit(p, u), panel, until, HORIZONS)
    assert passed(findings) == {
        "prices after the cutoff": False,
        "prices after the training period": True,
        "random walk": False,
        "shuffled returns": False,
    }


def test_a_fit_that_cannot_be_repeated_is_said_to_be_so(panel, until):
    findings = audit(lambda p, u: Moody().fit(p, u), panel, until, HORIZONS)
    assert "two fits on the same prices differ; set the seeds" in str(findings[1])
    assert not findings[1].passed


def test_inputs_that_look_ahead_are_caught_and_causal_ones_are_not(panel, until):
    days = panel.sessions[[650, 800]]
    honest = future_of_inputs(lambda p: causal_features(p).values.swapaxes(0, 1), panel, days)
    assert honest.passed

    def scaled_by_all(p):
        returns = log_returns(p)
        return (returns / returns.std()).to_numpy()

    leak = future_of_inputs(scaled_by_all, panel, days)
    assert not leak.passed
    assert "changed with prices after" in leak.detail


def test_noise_replaces_every_price_after_the_day_and_none_before(panel):
    day = panel.sessions[700]
    noisy = noise_after(panel, day, seed=1)
    np.testing.assert_array_equal(noisy.frame.loc[:day], panel.frame.loc[:day])
    old, new = panel.field("close").loc[day:].iloc[1:], noisy.field("close").loc[day:].iloc[1:]
    assert (old.notna() == new.notna()).all(axis=None)
    assert ((old != new) | old.isna()).all(axis=None)
    known = noisy.field("high").notna()
    assert ((noisy.field("high") >= noisy.field("low")) | ~known).all(axis=None)


def test_the_made_up_prices_have_no_memory_and_the_same_holes(panel):
    rng = np.random.default_rng(0)
    real = log_returns(panel)
    mixed = log_returns(shuffled(panel, rng))
    np.testing.assert_allclose(np.sort(mixed, axis=0), np.sort(real, axis=0), rtol=1e-6, atol=1e-12)
    walk = log_returns(random_walk(panel, rng))
    for made_up in (mixed, walk):
        assert (made_up.isna() == real.isna()).all(axis=None)
        assert made_up.std().to_numpy() == pytest.approx(real.std().to_numpy(), rel=0.1)
        memory = [made_up[t].abs().dropna().autocorr() for t in panel.tickers]
        assert np.abs(memory).max() < 0.1
    assert stats.kstest(walk["S00"].dropna() / walk["S00"].std(), "norm").pvalue > 0.01


def test_a_series_that_is_no_price_can_be_audited(panel, until):
    frame = panel.frame[["adj_close"]].apply(lambda c: np.log(c) - np.log(c).mean())
    weather = type(panel)(frame, "synthetic", "", "XNYS", scale="linear")
    findings = audit(lambda p, u: EwmaT().fit(p, u), weather, until, HORIZONS)
    assert all(passed(findings).values())


@pytest.mark.parametrize(("p_value", "clean"), [(0.004, True), (0.003, False)])
def test_luck_at_one_of_three_horizons_is_no_leak(panel, until, monkeypatch, p_value, clean):
    found = pd.DataFrame(
        {"h": [1, 5, 20], "crps_skill": [0.01, -0.01, 0.01], "p_value": [p_value, 1e-9, 0.5]}
    )
    monkeypatch.setattr("forecast.evaluation.audit.skill_table", lambda *args: found)
    finding = no_skill("random walk", lambda p, u: EwmaT().fit(p, u), panel, until, HORIZONS)
    assert finding.passed == clean
