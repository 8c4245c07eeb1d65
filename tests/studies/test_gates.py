import keras
import numpy as np
import pandas as pd
import pytest

from forecast.layers import ABLATIONS
from forecast.studies.gates import STUDY, VARIANTS, _largest

TINY = {
    "adding": {"steps": 8, "units": 2, "lr": 0.01, "training_steps": 100},
    "prices": {"units": 2, "epochs": 1, "steps_per_epoch": 1, "lookback": 16},
}


@pytest.mark.parametrize("task", ["adding", "prices"])
def test_a_variant_is_trained_and_looked_into(task):
    unit = {"task": task, "variant": "no_modulation_gate", "seed": 0, **TINY[task]}
    [row] = STUDY.measure(unit).to_dict("records")
    assert 0 < row["loss"] < 1
    assert row["largest_candidate"] > 0
    assert row["largest_cell_state"] > 0


def test_every_ablation_of_the_cell_is_a_variant():
    assert set(VARIANTS) == {"lstm", *ABLATIONS}
    units = STUDY.units(quick=False)
    assert len(units) == 2 * len(VARIANTS) * 3


def test_the_largest_cell_state_is_that_of_keras():
    layer = keras.layers.LSTM(3, return_state=True)
    x = np.random.default_rng(0).normal(size=(5, 7, 2)).astype("float32")
    ends = [np.abs(layer(x[:, : k + 1])[2]).max() for k in range(7)]
    found = _largest(layer.cell, x)
    assert found["largest_cell_state"] == pytest.approx(max(ends), rel=1e-5)
    assert found["largest_candidate"] <= 1


def frame(**worse: float) -> pd.DataFrame:
    """Return what a run could have measured; `worse` are variants with so many times the loss."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "task": task,
            "variant": variant,
            "seed": seed,
            "loss": worse.get(variant, 1.0) * loss * (1 + 0.001 * rng.random()),
            "largest_candidate": 5.0 if variant == "no_modulation_gate" else 1.0,
            "largest_cell_state": 50.0 if variant == "no_modulation_gate" else 10.0,
        }
        for task, loss in (("adding", 0.001), ("prices", 0.57))
        for variant in VARIANTS
        for seed in range(3)
    )


def test_verdicts_follow_the_losses():
    found = STUDY.judge(frame(no_forget_gate=2, no_output_activation=2, no_modulation_gate=2))
    assert [finding.verdict for finding in found.values()] == ["confirmed"] * 3
    found = STUDY.judge(frame(coupled=2, peepholes=2))
    assert found["critical"].verdict == "not confirmed"
    assert found["spare"].verdict == "not confirmed"
    assert "f = 1 − i (CIFG)" in found["critical"].ours


def test_one_seed_says_of_no_variant_that_it_is_worse():
    rows = frame(coupled=2)
    assert "adding: none; prices: none" in STUDY.judge(rows[rows["seed"] == 0])["critical"].ours


def test_the_figure_has_a_row_for_every_variant():
    loss, _, _ = STUDY.draw(frame()).axes
    assert [label.get_text() for label in loss.get_yticklabels()] == list(VARIANTS.values())
