from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.models.base import Forecaster
from forecast.models.shown import Alone, ByTicker, Recent

H, LEVELS = (1, 2), np.array([0.1, 0.5, 0.9])


class Sees(Forecaster):
    """Forecasts how many tickers and sessions it is shown, and its own number."""

    name = "sees"

    def __init__(self, number=0):
        self.number = number

    def fit(self, panel, until):
        self.fitted_ = (panel.tickers, until)
        return self

    def forecast(self, panel, cutoffs, horizons, levels=LEVELS):
        session, _ = panel.locate(cutoffs)
        seen = [len(panel.tickers), len(panel.sessions), self.number]
        assert (session < len(panel.sessions)).all()
        return np.broadcast_to(np.float32(seen), (len(cutoffs), len(horizons), 3)).copy()


@pytest.fixture
def panel(make_panel):
    return make_panel(tickers=3, sessions=120)


def cutoffs(panel, *places):
    """Rows in an order of their own, with an index of their own."""
    rows = [(panel.tickers[u], panel.sessions[s]) for u, s in places]
    return pd.DataFrame(rows, columns=["unique_id", "cutoff"], index=range(7, 7 + len(rows)))


def test_alone_each_ticker_is_shown_without_the_others(panel):
    found = Alone(Sees()).forecast(panel, cutoffs(panel, (2, 80), (0, 70), (2, 60)), H, LEVELS)
    assert found.shape == (3, 2, 3)
    assert (found[..., 0] == 1).all()
    assert (found[..., 1] == 120).all()


def test_recent_prices_end_at_the_cutoff_and_are_as_many_as_asked_for(panel):
    rows = cutoffs(panel, (2, 80), (0, 70), (1, 80), (1, 9))
    found = Recent(Sees(), 30).forecast(panel, rows, H, LEVELS)
    assert (found[..., 0] == 3).all()
    assert found[:, 0, 1].tolist() == [30, 30, 30, 10]


def test_each_ticker_has_its_own_forecaster_in_the_order_of_the_cutoffs(panel):
    models = {ticker: Sees(k) for k, ticker in enumerate(panel.tickers)}
    rows = cutoffs(panel, (2, 80), (0, 70), (1, 80), (2, 60))
    found = ByTicker(models).forecast(panel, rows, H, LEVELS)
    assert found[:, 0, 2].tolist() == [2, 0, 1, 2]


def test_what_is_shown_less_is_fitted_on_everything(panel):
    inner = Sees()
    models = (Alone(inner), Recent(inner, 30), ByTicker(dict.fromkeys(panel.tickers, inner)))
    for model in models:
        assert model.name == "sees"
        assert model.fit(panel, panel.sessions[50]) is model
        assert inner.fitted_ == (panel.tickers, panel.sessions[50])
        del inner.fitted_


def test_recent_and_alone_forecasts_never_change_with_what_they_are_not_shown(panel):
    from forecast.models.baselines import BASELINES

    frame = panel.frame.copy()
    frame.loc[frame.index[:40]] *= 1.5
    frame.loc[:, (slice(None), panel.tickers[1])] **= 0.5
    other = replace(panel, frame=frame)
    rows = cutoffs(panel, (2, 80), (0, 90))
    model = Recent(Alone(BASELINES["ewma-t"]().fit(panel, panel.sessions[60])), 35)
    np.testing.assert_array_equal(model.forecast(panel, rows, H), model.forecast(other, rows, H))
