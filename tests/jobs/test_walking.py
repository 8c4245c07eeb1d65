import numpy as np

from forecast.evaluation.backtest import make_cutoffs
from forecast.jobs import walking
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.models.baselines import BASELINES, EwmaT
from forecast.settings import BacktestSettings, Settings
from forecast.windows import make_splits


def test_few_origins_are_all_scored_and_of_many_tickers_some_taken_evenly(make_panel):
    panel = make_panel(tickers=9, sessions=60)
    cutoffs = make_cutoffs(panel, panel.sessions[10])
    assert walking.some_tickers(cutoffs) is cutoffs
    chosen = walking.some_tickers(cutoffs, most=170)
    assert list(chosen["unique_id"].astype(str).unique()) == ["S00", "S04", "S08"]
    assert len(chosen) == 150


def test_a_walk_over_some_tickers_shows_the_network_all_of_them(make_panel, monkeypatch, capsys):
    shown = []

    class Network(EwmaT):
        def forecast(self, panel, *arguments):
            shown.append(panel.tickers)
            return super().forecast(panel, *arguments)

    monkeypatch.setattr(
        walking, "some_tickers", lambda cutoffs: cutoffs[cutoffs["unique_id"] == "S01"]
    )
    monkeypatch.setattr(walking, "BASELINES", {"ewma-t": BASELINES["ewma-t"]})
    settings = Settings(lookback=40, horizon=5)
    panel = make_panel(tickers=3, sessions=600)
    prepared = Prepared(panel, make_splits(panel, settings), [])
    backtest = walking.once(settings, prepared, {"lstm": Network()}, BacktestSettings(), Terminal())
    assert shown == [["S00", "S01", "S02"]]
    assert backtest.models == ["lstm", "ewma-t"]
    np.testing.assert_array_equal(backtest.quantiles["lstm"], backtest.quantiles["ewma-t"])
    assert "on 1 of 3 tickers, taken evenly from A to Z" in capsys.readouterr().out
