import keras
import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.training.range_test import HIGHEST, LOWEST, RangeTest, range_test


def seen(losses, start=1.0):
    lr = np.geomspace(1e-4, 1.0, len(losses))
    return RangeTest(pd.DataFrame({"lr": lr, "loss": losses}), start)


def test_the_suggested_range_is_where_the_loss_falls():
    low, high = seen([1.0, 0.95, 0.5, 0.05, 3.0]).suggested
    assert (low, high) == (pytest.approx(1e-2), pytest.approx(1e-1))
    assert seen([1.0, 0.95, 0.5, 0.05, 3.0]).chosen == pytest.approx(10**-1.5)


def test_what_follows_the_lowest_loss_does_not_count():
    assert seen([0.8, 0.1, 0.9, np.inf, np.nan]).suggested == seen([0.8, 0.1, 5, 5, 5]).suggested


def test_a_loss_that_never_falls_is_told_with_a_way_out():
    with pytest.raises(InputError, match=r"--lr auto found no .* below 1.0000.*such as --lr 1e-3"):
        _ = seen([1.0, 1.1, np.nan]).suggested


def test_a_range_test_of_a_line_sees_norms_ratios_and_the_loss_after_each_step():
    inputs = keras.Input((1,))
    line = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Model(inputs, line(inputs))
    model.compile(keras.optimizers.SGD(), loss="mse", jit_compile=False)
    x, y = np.ones((4, 1), "float32"), np.full((4, 1), 3.0, "float32")
    test = range_test(model, [(x, y, None)] * 5, (x, y, None), 5)
    weight, rows = 1.0, []
    for lr in np.geomspace(LOWEST, HIGHEST, 5):
        gradient = 2 * (weight - 3)
        ratio = lr * abs(gradient) / abs(weight)
        weight -= lr * gradient
        rows.append((lr, (weight - 3) ** 2, abs(gradient), ratio))
    np.testing.assert_allclose(test.frame.to_numpy(), rows, rtol=5e-3)  # float32: 1 − 1e-5
    assert test.start == pytest.approx(4)
