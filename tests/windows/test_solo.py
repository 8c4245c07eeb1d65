import numpy as np

from forecast.settings import WindowSettings
from forecast.windows import add_solo, build_windows

SETTINGS = WindowSettings(lookback=40, horizon=5)


def test_the_second_half_of_the_windows_is_what_panels_of_one_ticker_give(make_panel):
    panel = make_panel(tickers=3, sessions=300, holes=5, late=60)
    both = add_solo(build_windows(panel, SETTINGS), panel)
    U = len(panel.tickers)
    for u, ticker in enumerate(panel.tickers):
        one = panel.select([ticker])
        alone = build_windows(one, SETTINGS)
        at = panel.sessions.get_indexer(one.sessions)
        np.testing.assert_array_equal(both.features[U + u, at], alone.features[0])
        np.testing.assert_array_equal(both.volatility[U + u, at], alone.volatility[0])
        np.testing.assert_array_equal(both.level[U + u], both.level[u])


def test_the_first_half_of_the_windows_stays_as_it_was(make_panel):
    panel = make_panel(tickers=3, sessions=300)
    before = build_windows(panel, SETTINGS)
    both = add_solo(before, panel)
    np.testing.assert_array_equal(both.features[:3], before.features)
    assert both.tickers == before.tickers * 2


def test_a_ticker_alone_is_drawn_as_often_as_with_its_market(make_panel):
    panel = make_panel(tickers=3, sessions=300, late=60)
    both = add_solo(build_windows(panel, SETTINGS), panel)
    ticker, counts = np.unique(both.starts(250)[:, 0], return_counts=True)
    assert list(ticker) == list(range(6))
    assert list(counts[:3]) == list(counts[3:])
