import numpy as np

from forecast.command_settings import BacktestSettings
from forecast.jobs import walking
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.models.baselines import BASELINES, EwmaT
from forecast.settings import Settings
from forecast.windows import make_splits


def test_a_walk_over_some_tickers_shows_the_network_all_of_them(make_panel, monkeypatch, capsys):
    shown = []

    class Network(EwmaT):
        sees_market = True

        def forecast(self, panel, *arguments):
            shown.append(panel.tickers)
            return super().forecast(panel, *arguments)

    monkeypatch.setattr(walking, "MOST_ORIGINS", 150)
    monkeypatch.setattr(walking, "BASELINES", {"ewma-t": BASELINES["ewma-t"]})
    settings = Settings(lookback=40, horizon=5)
    panel = make_panel(tickers=3, sessions=600)
    prepared = Prepared(panel, make_splits(panel, settings), [])
    backtest = walking.once(settings, prepared, {"lstm": Network()}, BacktestSettings(), Terminal())
    assert shown == [["S00", "S01", "S02"]]
    assert backtest.models == ["lstm", "ewma-t"]
    np.testing.assert_array_equal(backtest.quantiles["lstm"], backtest.quantiles["ewma-t"])
    assert set(backtest.cutoffs["unique_id"]) == {"S00"}
    said = capsys.readouterr().out
    assert "on 1 of 3 tickers, taken evenly from A to Z" in said
    assert f"Walking forward: {len(backtest.cutoffs)} origins" in said
