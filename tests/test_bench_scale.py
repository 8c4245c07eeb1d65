"""What the two contestants of bench_scale.py are given, and what they answer, on a few tickers."""

import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "scale_measures.py"


@pytest.fixture(scope="module")
def measures():
    """The names of the script, with as little to do as there can be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        names = runpy.run_path(str(SCRIPT))
        patch.setattr("scale_loop.AHEAD", 1)
        for kind in (names["Ours"], names["Keras"]):
            kind.__init__.__globals__.update(STEPS=3, ORIGINS=1, BATCH=8)
        yield names


def test_keras_cuts_features_and_targets_of_the_same_windows(measures):
    keras = measures["Keras"](3, 700)
    keras.build()
    windows = keras.windows
    T, warmup = windows.settings.lookback, windows.settings.warmup
    long = windows.features.reshape(-1, windows.features.shape[-1])
    x, y, weight = (np.asarray(part) for part in next(iter(keras.data_set())))
    checked = 0
    for one, target, counted in zip(x, y, weight, strict=True):
        (place, *_) = np.flatnonzero((long == one[-1]).all(axis=1)) - T + 1
        ticker, start = divmod(place, 700)
        np.testing.assert_array_equal(one, long[place : place + T])
        if start + T <= 700 and (one[-1] != 0).any():  # of one ticker, after its listing
            own = windows.batch(np.array([[ticker, start]]), (0, 699))
            np.testing.assert_allclose(target[:, 0], own.y[0, :, 0], rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(counted, own.weight[0])
            checked += 1
        assert len(target) == T - warmup
    assert checked


@pytest.mark.parametrize("name", ["Ours", "Keras"])
def test_each_answers_what_the_page_tells(measures, name):
    measure = measures[name](3, 700)
    found = measure.begin() | measure.turn() | measure.end()
    assert all(value >= 0 for value in found.values())
    assert found["waiting_share"] < 1
    if name == "Ours":
        assert found["windows"] == len(measure.windows.starts(measure.last))
        assert found["origins"] == np.isfinite(measure.panel.level[-240:]).sum()
        assert found["prices_mb"] == 3 * 700 * 4 / 2**20
