import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.errors import InputError
from forecast.settings import WindowSettings
from forecast.windows import (
    BURN_IN,
    build_windows,
    causal_features,
    ewma_volatility,
    log_returns,
    make_splits,
    window_arrays,
)

T, HORIZON = 24, 5
SETTINGS = WindowSettings(lookback=T, horizon=HORIZON)
WARMUP, LEARNED = SETTINGS.warmup, SETTINGS.learned_horizons


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=500, seed=2, holes=20, late=60)


@pytest.fixture(scope="module")
def windows(panel):
    return build_windows(panel, SETTINGS)


@pytest.fixture(scope="module")
def splits(panel):
    return make_splits(panel, SETTINGS)


def plain_target(panel, ticker, session, h):
    """Scaled log return of one origin, from the price table alone; NaN where unknown."""
    price = panel.field("adj_close")[ticker]
    if session + h >= len(price):
        return np.nan
    sigma = ewma_volatility(log_returns(panel))[ticker].iloc[session]
    return np.log(price.iloc[session + h] / price.iloc[session]) / (sigma * np.sqrt(h))


def test_a_batch_equals_a_plain_loop_over_the_price_table(panel, windows):
    rows = np.array([[0, 25], [1, 200], [2, 300], [0, 470]])
    first, last = 30, 485
    batch = windows.batch(rows, (first, last))
    assert batch.x.shape == (4, T, len(windows.feature_names))
    assert batch.y.shape == batch.weight.shape == (4, T - WARMUP, len(LEARNED))
    features = causal_features(panel).values
    for b, (u, start) in enumerate(rows):
        for t in range(T):
            expected = features[u, min(start + t, 499)]
            np.testing.assert_array_equal(batch.x[b, t], expected)
        for o in range(T - WARMUP):
            session = start + WARMUP + o
            for k, h in enumerate(LEARNED):
                inside = first <= session <= last
                y = plain_target(panel, panel.tickers[u], session, h) if inside else np.nan
                assert batch.weight[b, o, k] == np.isfinite(y)
                np.testing.assert_allclose(batch.y[b, o, k], np.nan_to_num(y), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_batch_has_the_targets_of_its_origins_bit_for_bit(windows, dtype):
    level, volatility = windows.level.astype(dtype), windows.volatility.astype(dtype)
    windows = replace(windows, level=level, volatility=volatility)
    rows, origins = windows.starts(480)[::7], (90, 470)
    rows = np.concatenate([rows, [[0, 470], [1, 490]]])  # and windows past the last session
    batch = windows.batch(rows, origins)
    origin = rows[:, 1, None] + np.arange(WARMUP, T)
    y = windows.targets(rows[:, 0, None], origin, LEARNED)
    y[(origin < origins[0]) | (origin > origins[1])] = np.nan
    np.testing.assert_array_equal(batch.weight, np.isfinite(y))
    np.testing.assert_array_equal(batch.y, np.nan_to_num(y).astype(np.float32))


def test_window_arrays_equal_a_plain_loop_that_knows_nothing_after_the_cutoff(panel, splits):
    arrays = window_arrays(panel, SETTINGS, "validation")
    found = 0
    for u, ticker in enumerate(panel.tickers):
        for session in range(splits.validation[0], splits.validation[1] + 1):
            y = [plain_target(panel, ticker, session, h) for h in range(1, HORIZON + 1)]
            if not np.isfinite(y).all():
                continue
            assert arrays.unique_id[found] == ticker
            assert arrays.cutoff[found] == panel.sessions[session]
            np.testing.assert_allclose(arrays.y[found], y, rtol=1e-5, atol=1e-7)
            if found % 7 == 0:
                past = causal_features(panel.select(end=panel.sessions[session]))
                np.testing.assert_array_equal(arrays.x[found], past.values[u, -T:])
                scale = past.volatility[u, -1] * np.sqrt(np.arange(1, HORIZON + 1))
                np.testing.assert_allclose(arrays.scale[found], scale, rtol=1e-6)
            found += 1
    assert found == len(arrays.x) == len(arrays.cutoff) > 100


def test_the_three_splits_of_window_arrays_share_no_origin_and_no_outcome(panel):
    train, validation, test = (
        window_arrays(panel, SETTINGS, part) for part in ("train", "validation", "test")
    )
    day = pd.Series(range(len(panel.sessions)), index=panel.sessions)
    for early, late in ((train, validation), (validation, test)):
        assert day[early.cutoff].max() + HORIZON < day[late.cutoff].min()
    assert day[test.cutoff].max() + HORIZON < len(panel.sessions)
    assert day[train.cutoff].min() >= BURN_IN + T - 1


@settings(max_examples=25, deadline=None)
@given(session=st.integers(BURN_IN + WARMUP, 498), seed=st.integers(0, 2**16))
def test_changing_any_later_price_changes_no_input_of_an_origin(
    panel, change_after, windows, session, seed
):
    other = build_windows(change_after(panel, session, seed), SETTINGS)
    ticker = np.arange(2)
    cover, row, place = windows.covering(ticker, np.full(2, session))
    seen = WARMUP + place + 1  # sessions of the window up to the origin
    before, after = windows.inputs(cover), other.inputs(cover)
    for u in ticker:
        np.testing.assert_array_equal(before[row[u], : seen[u]], after[row[u], : seen[u]])
    np.testing.assert_array_equal(
        windows.scale(ticker, np.full(2, session), (1, 5)),
        other.scale(ticker, np.full(2, session), (1, 5)),
    )


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_covering_window_holds_its_origin_after_the_warm_up_whatever_else_is_asked(
    windows, data
):
    count = data.draw(st.integers(1, 30))
    some = st.lists(st.integers(0, 499), min_size=count, max_size=count)
    session = np.array(data.draw(some))
    ticker = np.array(data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    cover, row, place = windows.covering(ticker, session)
    enough = session >= windows.first[ticker] + WARMUP
    np.testing.assert_array_equal(place >= 0, enough)
    start = cover[row, 1]
    np.testing.assert_array_equal(cover[row, 0], ticker)
    np.testing.assert_array_equal((start + WARMUP + place)[enough], session[enough])
    assert (place[enough] < T - WARMUP).all()
    assert (start[enough] >= windows.first[ticker][enough]).all()
    for n in range(count):
        alone, _, place_alone = windows.covering(ticker[[n]], session[[n]])
        np.testing.assert_array_equal(alone[0], cover[row[n]])
        assert place_alone[0] == place[n]


def test_covering_every_origin_takes_few_windows(windows):
    session = np.tile(np.arange(500), 3)
    cover, _, _ = windows.covering(np.repeat(np.arange(3), 500), session)
    assert len(cover) <= 3 * (500 // (T - WARMUP) + 2)


def test_a_hole_is_never_a_target_and_never_an_origin(panel, windows):
    rows = windows.starts(499)
    batch = windows.batch(rows, (0, 499))
    origin = rows[:, 1, None] + np.arange(WARMUP, T)  # (B, O)
    later = origin[..., None] + np.array(LEARNED)
    hole = np.pad(~np.isfinite(panel.level.T), [(0, 0), (0, T + HORIZON)], constant_values=True)
    touched = hole[rows[:, :1, None], later] | hole[rows[:, :1], origin][..., None]
    assert touched.any()
    np.testing.assert_array_equal(batch.weight == 0, touched)
    assert np.isfinite(batch.y).all()
    assert np.isfinite(batch.x).all()


def test_windows_to_draw_from_end_at_or_before_the_last_origin_and_start_after_the_burn_in(
    panel, windows
):
    starts = windows.starts(321)
    assert (starts[:, 1] + T - 1).max() == 321
    assert len(np.unique(starts, axis=0)) == len(starts)
    for u in range(3):
        own = starts[starts[:, 0] == u, 1]
        seen = np.flatnonzero(np.isfinite(panel.level[:, u]))[0]
        assert own.min() == seen + BURN_IN
        np.testing.assert_array_equal(own, np.arange(own[0], 321 - T + 2))


def test_a_ticker_without_any_price_gives_no_window(panel):
    frame = panel.frame.copy()
    frame.loc[:, (slice(None), panel.tickers[1])] = np.nan
    empty = build_windows(replace(panel, frame=frame), SETTINGS)
    assert set(empty.starts(499)[:, 0]) == {0, 2}
    _, _, place = empty.covering(np.array([1, 0]), np.array([400, 400]))
    assert place[0] == -1 < place[1]


def test_drawing_batches_never_copies_the_panel_into_windows(make_panel):
    chosen = WindowSettings(lookback=160, horizon=20)
    windows = build_windows(make_panel(tickers=4, sessions=2500, seed=1), chosen)
    arrays = {name: value for name, value in vars(windows).items() if hasattr(value, "nbytes")}
    biggest = arrays.pop("features").nbytes
    assert all(array.nbytes < biggest for array in arrays.values())
    pool = windows.starts(2000)
    batch_bytes = sum(part.nbytes for part in windows.batch(pool[:16], (0, 2000)))
    tracemalloc.start()
    for begin in range(0, 3200, 160):
        windows.batch(pool[begin : begin + 16], (0, 2000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * batch_bytes
    assert peak < len(pool) * chosen.lookback * 4  # not even one feature of all windows


def test_too_few_sessions_for_one_forecast_are_told_with_the_arithmetic(make_panel):
    short = make_panel(tickers=1, sessions=26)
    with pytest.raises(
        InputError, match=r"26 sessions; .* needs 20 sessions .* \+ 6 to warm up \+ 1 = 27"
    ):
        build_windows(short, SETTINGS)
    assert build_windows(make_panel(tickers=1, sessions=27), SETTINGS).features.shape[1] == 27


def never_moved_until(panel, session, ticker="S00"):
    """The panel with the prices of one ticker as they are on a session on all before it."""
    frame = panel.frame.copy()
    own = frame.columns.get_level_values("unique_id") == ticker
    frame.iloc[:session, np.flatnonzero(own)] = frame.iloc[
        [session], np.flatnonzero(own)
    ].to_numpy()
    frame.loc[frame.index[session + 1] :, own] *= 0.3  # its first move is a large one
    return replace(panel, frame=frame)


def test_a_series_that_has_not_moved_yet_has_no_target_and_its_first_move_is_no_shock(make_panel):
    panel = make_panel(tickers=3, sessions=500, seed=2)
    flat = build_windows(never_moved_until(panel, 66), SETTINGS)
    sessions = np.arange(500 - HORIZON)
    targets = flat.targets(np.zeros_like(sessions), sessions, LEARNED)
    assert np.isnan(targets[:67]).all()
    assert np.isfinite(targets[67:]).all()
    assert np.abs(targets[67:]).max() < 25
    shock = flat.features[0, :, flat.feature_names.index("shock")]
    assert (shock[:68] == 0).all()
    assert np.abs(shock).max() < 5
    assert np.abs(flat.features).max() < 10
    batch = flat.batch(np.array([[0, 60]]), (0, 400))
    counts = batch.weight[0].any(axis=-1)
    assert not counts[: 67 - 60 - WARMUP].any()
    assert counts[67 - 60 - WARMUP :].all()


def test_a_flat_stretch_after_a_series_has_moved_keeps_its_targets(make_panel):
    panel = make_panel(tickers=1, sessions=500, seed=2)
    frame = panel.frame.copy()
    frame.iloc[200:260] = frame.iloc[200].to_numpy()
    targets = build_windows(replace(panel, frame=frame), SETTINGS).targets(
        np.zeros(150, int), np.arange(150, 300), LEARNED
    )
    assert np.isfinite(targets).all()
    assert np.abs(targets).max() < 100


def test_a_large_panel_lives_in_a_file_and_gives_the_same_batches(
    make_panel, is_mapped, monkeypatch, tmp_path
):
    panel = make_panel(tickers=3, sessions=400, seed=2, holes=4, late=60)
    small = build_windows(panel, SETTINGS)
    monkeypatch.setattr("forecast.prices.mapped.LARGE", 0)
    monkeypatch.setenv("FORECAST_CACHE_DIR", str(tmp_path))
    large = build_windows(panel, SETTINGS)
    assert is_mapped(large.features)
    assert is_mapped(large.level)
    assert not list(tmp_path.iterdir())
    drawn = small.starts(350)[::17]
    for one, other in zip(small.batch(drawn, (0, 399)), large.batch(drawn, (0, 399)), strict=True):
        np.testing.assert_array_equal(one, other)
