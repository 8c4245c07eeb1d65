import numpy as np
import pandas as pd
import pytest

from forecast.plots import plot_importance, plot_trials, save


@pytest.fixture
def trials():
    value = [0.60, 0.59, np.nan, 0.61, 0.585, 9.0, 0.59, 0.60, 0.59, 0.6, 0.6, 0.6]
    state = ["pruned" if np.isnan(one) else "complete" for one in value]
    return pd.DataFrame({"trial": range(1, 13), "state": state, "validation_crps": value})


def test_every_trial_and_the_best_so_far_are_drawn(trials, tmp_path):
    ax = plot_trials(trials)
    points, best, stopped, above = ax.get_lines()
    done = trials.dropna()
    np.testing.assert_array_equal(points.get_ydata(), done["validation_crps"])
    np.testing.assert_array_equal(best.get_ydata(), done["validation_crps"].cummin())
    assert list(stopped.get_xdata()) == [3]
    assert list(above.get_xdata()) == [6]
    assert ax.get_ylim()[1] < 1
    assert ax.get_title(loc="left") == "12 trials: best validation CRPS 0.58500"
    save(ax, tmp_path / "trials.png")


def test_importance_is_told_in_per_cent_the_largest_on_top(tmp_path):
    frame = pd.DataFrame({"setting": ["lr", "clip_norm", "units"], "importance": [0.2, 0.1, 0.7]})
    ax = plot_importance(frame)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([10, 20, 70])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["clip norm", "lr", "units"]
    save(ax, tmp_path / "importance.png")


def test_without_a_finished_trial_there_is_nothing_to_draw(trials):
    with pytest.raises(ValueError, match="without rows"):
        plot_trials(trials[trials["state"] == "pruned"])
