from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forecast.errors import InputError
from forecast.settings import WindowSettings
from forecast.windows import build_windows
from forecast.windows.splits import (
    DEFAULT_SHARES,
    MIN_TRAINING_SESSIONS,
    drop_short_tickers,
    make_splits,
)


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=900, seed=1, late=600)


def window_settings(**more):
    return WindowSettings(**{"lookback": 40, "horizon": 5, **more})


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_target_of_a_split_ends_in_the_next_one_and_every_split_has_origins(panel, data):
    days = [None, *panel.sessions[::7].date]
    first, second = data.draw(st.sampled_from(days)), data.draw(st.sampled_from(days))
    if first and second:
        first, second = sorted((first, second))
    try:
        chosen = window_settings(
            lookback=data.draw(st.integers(8, 150)),
            horizon=data.draw(st.integers(1, 40)),
            validation_start=first,
            test_start=second,
        )
        splits = make_splits(panel.select(start=data.draw(st.sampled_from(days[:40]))), chosen)
    except ValueError:
        assume(False)
    horizon = chosen.horizon
    assert splits.train[0] < splits.train[1] < splits.train[1] + horizon < splits.validation[0]
    assert splits.validation[0] < splits.validation[1]
    assert splits.validation[1] + horizon < splits.test[0] < splits.test[1]
    assert splits.test[1] + horizon < len(panel.sessions)
    assert splits.train[1] - chosen.lookback + 1 >= MIN_TRAINING_SESSIONS


def test_nothing_between_two_splits_is_wasted_beyond_the_purge(panel):
    splits = make_splits(panel, window_settings())
    assert splits.validation[0] - splits.train[1] == splits.test[0] - splits.validation[1] == 6
    assert len(panel.sessions) - splits.test[1] == 6


def test_the_first_origin_is_the_first_a_network_can_forecast_from(panel):
    chosen = window_settings()
    windows = build_windows(panel, chosen)
    first = make_splits(panel, chosen).train[0]
    _, _, place = windows.covering(np.zeros(2, int), np.array([first - 1, first]))
    assert list(place >= 0) == [False, True]


def test_without_dates_the_borders_lie_at_the_default_shares(panel):
    splits = make_splits(panel, window_settings())
    assert splits.validation[0] == int(900 * DEFAULT_SHARES[0])
    assert splits.test[0] == int(900 * DEFAULT_SHARES[1])


def test_a_date_that_is_no_session_means_the_next_session(panel):
    sunday = date(2012, 7, 1)
    chosen = window_settings(validation_start=date(2011, 11, 24), test_start=sunday)
    dates = make_splits(panel, chosen).dates(panel)
    assert dates["validation"]["first"] == "2011-11-25"  # the 24th was Thanksgiving
    assert dates["test"] == {"first": "2012-07-02", "last": f"{panel.sessions[-6]:%Y-%m-%d}"}
    assert dates["train"]["last"] == "2011-11-16"  # five sessions and a weekend before
    assert dates["validation"]["last"] == "2012-06-22"


@pytest.mark.parametrize("given_date", ["validation_start", "test_start"])
def test_one_date_alone_leaves_room_for_the_other_split(panel, given_date):
    for session in (400, 600, 800):
        day = panel.sessions[session].date()
        splits = make_splits(panel, window_settings(**{given_date: day}))
        border = splits.test if given_date == "test_start" else splits.validation
        assert border[0] == session
        assert splits.validation[0] < splits.validation[1] < splits.test[0] < splits.test[1]


@pytest.mark.parametrize(
    ("flag", "day"),
    [("validation_start", date(2009, 1, 1)), ("test_start", date(2030, 1, 1))],
)
def test_a_border_outside_the_prices_is_told_with_their_range(panel, flag, day):
    text = f"--{flag.replace('_', '-')} {day} leaves no session on one side: the prices run from "
    with pytest.raises(InputError, match=text + "2010-01-04 to 2013-07-31; choose a date between"):
        make_splits(panel, window_settings(**{flag: day}))


def test_too_little_before_validation_is_told_with_the_arithmetic(panel):
    chosen = window_settings(validation_start=panel.sessions[250].date())
    with pytest.raises(
        InputError,
        match=r"250 sessions before validation; lookback 40 \+ horizon 5 \+ 250 training sessions "
        r"need 295: choose a later --validation-start, .* or a shorter --lookback",
    ):
        make_splits(panel, chosen)
    alone = window_settings(test_start=panel.sessions[300].date())
    with pytest.raises(InputError, match=r"need 295: choose a later --test-start, an earlier --st"):
        make_splits(panel, alone)
    enough = window_settings(validation_start=panel.sessions[295].date())
    assert make_splits(panel, enough).train[1] == 289


@pytest.mark.parametrize(
    ("validation", "test", "message"),
    [
        (600, 614, "the validation part has 9 sessions .* --validation-start, a later --test-s"),
        (600, 886, "the test part has 9 sessions .* an earlier --test-start, a later --end or a"),
        (600, 604, "the validation part has 0 sessions"),
    ],
)
def test_a_part_without_enough_known_outcomes_is_told(panel, validation, test, message):
    chosen = window_settings(
        validation_start=panel.sessions[validation].date(), test_start=panel.sessions[test].date()
    )
    with pytest.raises(InputError, match=message):
        make_splits(panel, chosen)


def test_a_short_ticker_among_good_ones_is_left_out_and_said_so(panel):
    kept, notes = drop_short_tickers(panel, window_settings(lookback=100), ())
    assert kept.tickers == panel.tickers[:2]
    assert notes == [
        f"{panel.tickers[2]} left out: 300 sessions; lookback 100 + horizon 5 + 250 training "
        "sessions need 355"
    ]


def test_many_short_tickers_are_told_in_one_sentence(make_panel):
    panel = make_panel(tickers=9, sessions=600)
    frame = panel.frame.copy()
    for number, ticker in enumerate(panel.tickers[:5]):
        frame.iloc[: 500 + number, frame.columns.get_level_values(1) == ticker] = np.nan
    panel = replace(panel, frame=frame)
    kept, notes = drop_short_tickers(panel, window_settings(), ())
    assert kept.tickers == panel.tickers[5:]
    assert notes == [
        "5 tickers left out, their sessions are too few: S00 100, S01 99, S02 98 and 2 more; "
        "lookback 40 + horizon 5 + 250 training sessions need 295"
    ]


def test_a_short_ticker_asked_for_by_name_is_an_error(panel):
    short = panel.tickers[2]
    with pytest.raises(
        InputError, match=f"{short} has 300 sessions; .* need 355: drop {short}, give more history"
    ):
        drop_short_tickers(panel, window_settings(lookback=100), (short,))


def test_only_observed_sessions_count_as_history(panel):
    frame = panel.frame.copy()
    frame.iloc[100:710] = np.nan
    with pytest.raises(InputError, match=r"S00 has 290 sessions; .* need 295"):  # of 900
        drop_short_tickers(replace(panel, frame=frame), window_settings(), ())
    assert drop_short_tickers(panel, window_settings(), ()) == (panel, [])
