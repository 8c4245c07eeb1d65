"""Arrays in a file that has no name."""

import numpy as np
import pytest
from joblib import Parallel, delayed

from forecast.errors import InputError
from forecast.prices.mapped import new_array


@pytest.fixture(autouse=True)
def large(monkeypatch, tmp_path):
    """Every array is large enough for a file."""
    monkeypatch.setattr("forecast.prices.mapped.LARGE", 0)
    monkeypatch.setenv("FORECAST_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_it_is_zeros_in_a_file_that_can_be_written_and_leaves_none_behind(
    kind, is_mapped, tmp_path
):
    array = new_array((3, 400), kind)
    assert is_mapped(array)
    assert array.dtype == kind
    assert not array.any()
    array[1] = 5
    assert array.sum() == 2000
    assert list((tmp_path / "cache").iterdir()) == []


def test_it_reaches_other_processes_whole():
    array = new_array((4, 500_000))
    array[:] = np.arange(4)[:, None]
    view = array[1:].T
    for each in Parallel(n_jobs=2)(delayed(np.copy)(view[k::100_000]) for k in range(2)):
        np.testing.assert_array_equal(each, np.tile([1, 2, 3], (5, 1)))
    assert Parallel(n_jobs=2)(delayed(np.sum)(view) for _ in range(2)) == [3_000_000] * 2


def test_no_room_for_a_large_panel_is_told(monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("FORECAST_CACHE_DIR", str(tmp_path / "taken"))
    with pytest.raises(InputError, match=r"no room for 8 MB .*: make room, or name another folder"):
        new_array((2, 2**20))
