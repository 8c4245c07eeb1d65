import re

import numpy as np
import pytest

from forecast.studies import tasks


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_adding_asks_for_the_sum_of_one_number_in_each_half(rng):
    x, y = tasks.adding(rng, 400, 31)
    values, marks = x[:, :, 0], x[:, :, 1]
    assert set(np.unique(marks)) == {0, 1}
    assert (marks[:, :15].sum(1) == 1).all()
    assert (marks[:, 15:].sum(1) == 1).all()
    np.testing.assert_allclose((values * marks).sum(1, keepdims=True), y, rtol=1e-6)
    assert values.min() >= 0
    assert values.max() <= 1


def test_the_baseline_of_adding_is_the_loss_of_predicting_its_mean(rng):
    _, y = tasks.adding(rng, 200_000, 4)
    assert np.mean((y - 1) ** 2) == pytest.approx(tasks.ADDING_BASELINE, rel=0.01)


def test_adding_1997_marks_one_of_the_first_ten_steps_and_one_of_the_first_half(rng):
    T = 40
    x, y = tasks.adding_1997(rng, 3000, T)
    assert x.shape == (3000, 44, 2)
    length = (x != 0).any(2).sum(1)
    assert set(length) == set(range(T, 45))
    values, marks = x[:, :, 0], x[:, :, 1]
    rows = np.arange(len(x))
    assert (marks[:, 0] == -1).all()
    assert (marks[rows, length - 1] == -1).all()
    assert (np.sum(marks == -1, 1) == 2).all()
    marked = marks == 1
    assert set(marked.sum(1)) == {1, 2}  # 1 where the first step was drawn
    assert np.mean(marked.sum(1) == 1) == pytest.approx(1 / 10 + 1 / (T / 2 - 1), abs=0.02)
    assert marked[:, :10].any(1).mean() > 0.9
    assert not marked[:, T // 2 - 1 :].any()
    np.testing.assert_allclose(y[:, 0], 0.5 + (values * marked).sum(1) / 4, rtol=1e-5)


def test_nothing_follows_the_end_of_an_adding_1997_sequence(rng):
    x, _ = tasks.adding_1997(rng, 200, 30)
    live = (x != 0).any(2)
    assert (np.diff(live.astype(int), axis=1) <= 0).all()


def test_copy_memory_asks_for_the_first_ten_letters_after_the_blanks(rng):
    x, y = tasks.copy_memory(rng, 50, 30)
    assert x.shape == (50, 50, 10)
    symbols = x.argmax(2)
    assert (x.sum(2) == 1).all()
    assert (symbols[:, :10] < 8).all()
    assert (symbols[:, 10:39] == tasks.BLANK).all()
    assert (symbols[:, 39] == tasks.DELIMITER).all()
    assert (symbols[:, 40:] == tasks.BLANK).all()
    assert (y[:, :40] == tasks.BLANK).all()
    assert (y[:, 40:] == symbols[:, :10]).all()


def test_the_baseline_of_copy_memory_is_the_loss_of_guessing_letters():
    guess = np.full(10, 1 / 8)
    per_step = -(10 * np.log(guess[0])) / 120
    assert tasks.copy_baseline(100) == pytest.approx(per_step)
    assert tasks.copy_baseline(100) == pytest.approx(0.1733, abs=1e-4)


def test_the_order_of_two_symbols_is_the_class():
    x, y = tasks.temporal_order(np.random.default_rng(0), 500, 100)
    assert x.shape == (500, 110, 8)
    lengths = x.any(-1).sum(1)
    assert set(lengths) == set(range(100, 111))
    for row, length, label in zip(x, lengths, y, strict=True):
        signs = "".join(tasks.ORDER_SYMBOLS[k] for k in row[:length].argmax(-1))
        match = re.fullmatch("E([abcd]*)([XY])([abcd]*)([XY])([abcd]*)B", signs)
        assert match
        assert 10 <= match.start(2) <= 20
        assert 50 <= match.start(4) <= 60
        assert label == ["XX", "XY", "YX", "YY"].index(match[2] + match[4])
    assert np.bincount(y).min() > 90
