"""What NeuralForecast is given and what is read of its answer; the library itself is an extra."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "bench_peers.py"


@pytest.fixture(scope="module")
def bench():
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize(("h", "step"), [(1, 1), (5, 1), (5, 5)])
def test_the_series_are_the_returns_over_h_sessions_each_origin_once(bench, make_panel, h, step):
    panel = make_panel(tickers=2, sessions=80, late=10)
    frame = bench["peer_frame"](panel, h, step)
    assert frame.columns.tolist() == ["y", "log_return", "size", "unique_id", "ds"]
    level = panel.level
    seen = set()
    for row in frame.itertuples():
        ticker, phase = row.unique_id.split(" ")
        u, s = panel.tickers.index(ticker), row.ds * step + int(phase)
        seen.add((u, s))
        assert row.y == pytest.approx(100 * (level[s, u] - level[s - h, u]) / np.sqrt(h))
        daily = 100 * np.diff(level[s - step : s + 1, u])
        assert row.log_return == pytest.approx(daily[-1])
        assert row.size == pytest.approx(np.abs(daily).mean())
    first = {0: h, 1: 10 + h}
    assert seen == {(u, s) for u in (0, 1) for s in range(first[u], 80)}
    assert frame.groupby("unique_id")["ds"].diff().dropna().eq(1).all()


def test_quantile_columns_are_found_by_level_in_ascending_order(bench):
    names = ["LSTM-hi-2.0", "y", "LSTM-lo-98.0", "LSTM-median", "LSTM-lo-2.0", "LSTM-hi-98.0"]
    found = bench["quantile_columns"](pd.DataFrame(columns=names), [0.01, 0.49, 0.5, 0.51, 0.99])
    assert found == ["LSTM-lo-98.0", "LSTM-lo-2.0", "LSTM-median", "LSTM-hi-2.0", "LSTM-hi-98.0"]


def test_without_the_extra_it_says_what_to_install_and_exits_with_2(bench, monkeypatch, capsys):
    monkeypatch.setitem(bench["main"].__globals__, "find_spec", lambda name: None)
    monkeypatch.setattr("sys.argv", ["bench_peers.py"])
    with pytest.raises(SystemExit) as stopped:
        bench["main"]()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert 'NeuralForecast is not installed; pip install -e ".[bench,peers]"' in said
