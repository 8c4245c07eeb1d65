import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.prices import Panel, clean, garch_prices


@pytest.fixture(scope="module")
def panel() -> Panel:
    rows = garch_prices(tickers=3, sessions=60, seed=1)
    late = rows[(rows["unique_id"] != "S02") | (rows["ds"] >= "2010-02-01")]
    return clean(late, source="synthetic", sha256="x", calendar="XNYS")[0]


def test_a_panel_is_the_pivot_of_the_long_frame():
    rows = garch_prices(tickers=3, sessions=60, seed=1)
    frame = clean(rows.sample(frac=1, random_state=2), source="", sha256="", calendar="XNYS")[
        0
    ].frame
    expected = rows.pivot_table(index="ds", columns="unique_id")
    for name in ("open", "high", "low", "close", "volume", "adj_close"):
        pd.testing.assert_frame_equal(frame[name], expected[name], check_freq=False)


def test_the_shapes_and_names_are_those_of_the_contract(panel):
    assert panel.tickers == ["S00", "S01", "S02"]
    assert panel.fields == ["open", "high", "low", "close", "volume", "adj_close"]
    assert panel.frame.index.name == "ds"
    assert panel.frame.index.dtype == "datetime64[ns]"
    assert panel.frame.columns.names == ["field", "unique_id"]
    assert (panel.frame.dtypes == "float64").all()
    assert panel.level.shape == (60, 3)


def test_level_and_value_are_inverse_and_keep_nan(panel):
    prices = panel.field("adj_close").to_numpy()
    np.testing.assert_allclose(panel.value(panel.level), prices, rtol=1e-14)
    assert np.isnan(panel.level[0, 2])
    np.testing.assert_array_equal(panel.level[:, 0], np.log(prices[:, 0]))


def test_a_linear_panel_has_its_values_as_level():
    days = pd.date_range("2024-01-01", periods=30)
    frame = pd.DataFrame({"unique_id": "oslo", "ds": days, "close": np.linspace(-5, 5, 30)})
    panel, _ = clean(frame, source="", sha256="", calendar="24/7", scale="linear")
    np.testing.assert_array_equal(panel.level[:, 0], np.linspace(-5, 5, 30))
    np.testing.assert_array_equal(panel.value(panel.level), panel.level)


def test_a_field_that_is_not_there_is_named(panel):
    with pytest.raises(KeyError, match="no field 'dividends' in this panel, which has open"):
        panel.field("dividends")


def test_select_keeps_the_sessions_of_the_chosen_tickers(panel):
    chosen = panel.select(["S02"])
    assert chosen.tickers == ["S02"]
    assert chosen.sessions[0] == pd.Timestamp("2010-02-01")
    assert chosen.sessions[-1] == panel.sessions[-1]
    both = panel.select(["S02", "S00", "S02"], start="2010-01-15", end="2010-02-10")
    assert both.tickers == ["S00", "S02"]
    assert (both.sessions[0], both.sessions[-1]) == (
        pd.Timestamp("2010-01-15"),
        pd.Timestamp("2010-02-10"),
    )
    np.testing.assert_array_equal(both.level, panel.level[9:27][:, [0, 2]])


def test_select_of_an_unknown_ticker_lists_what_there_is(panel):
    with pytest.raises(InputError, match=r"No ticker s01, X in .* S00, S01, S02.*of s01: S01"):
        panel.select(["s01", "X"])


def test_select_of_dates_without_sessions_names_the_range_there_is(panel):
    with pytest.raises(InputError, match=r"from 2020-01-01 to the end.*2010-01-04 to 2010-03-30"):
        panel.select(start="2020-01-01")


def test_select_of_a_ticker_without_a_price_in_the_panel_says_so(panel):
    with pytest.raises(InputError, match=r"No session of S02 from 2010-01-04 to 2010-01-15"):
        panel.select(end="2010-01-15").select(["S02"])


def test_locate_gives_the_positions_of_each_cutoff(panel):
    cutoffs = pd.DataFrame(
        {"unique_id": ["S02", "S00"], "cutoff": [panel.sessions[40], panel.sessions[3]]}
    )
    session, ticker = panel.locate(cutoffs)
    assert session.tolist() == [40, 3]
    assert ticker.tolist() == [2, 0]
    seconds = cutoffs.assign(
        cutoff=cutoffs["cutoff"].dt.as_unit("s"), unique_id=pd.Categorical(cutoffs["unique_id"])
    )
    assert panel.locate(seconds)[0].tolist() == [40, 3]


def test_locate_names_the_first_cutoff_that_is_not_there(panel):
    cutoffs = pd.DataFrame(
        {"unique_id": ["S00", "S09"], "cutoff": [pd.Timestamp("2010-01-09"), panel.sessions[3]]}
    )
    with pytest.raises(InputError, match=r"S00 at 2010-01-09 .*\(2 of 2 cutoffs are not\)"):
        panel.locate(cutoffs)
