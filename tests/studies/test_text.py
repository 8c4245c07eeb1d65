import numpy as np
import pandas as pd
import pytest

from forecast.studies.corpus import OTHERS, PAIRS, STOP
from forecast.studies.text import STUDY

TINY = {
    "length": 100,
    "units": 4,
    "lr": 0.005,
    "batch_size": 4,
    "looks": [0, 2],
    "sample": 3,
    "temperature": 0.6,
}


@pytest.fixture(scope="module")
def frame():
    parts = [STUDY.measure(unit).assign(seed=unit["seed"]) for unit in STUDY.plan(TINY, range(2))]
    return pd.concat(parts, ignore_index=True)


def test_loss_samples_and_gates_are_told_before_and_after_training(frame):
    rows = frame[frame["seed"] == 0].groupby("quantity")
    assert rows.get_group("bits")["step"].tolist() == [0, 2]
    assert rows.get_group("sample")["text"].str.len().tolist() == [3, 3]
    forget = rows.get_group("forget")
    assert forget["value"].between(0, 1).all()
    assert {STOP, OTHERS, "comma", "blank", "e"} <= set(forget["group"])
    assert len(rows.get_group("pair")) == 4 * sum(map(len, PAIRS))
    assert len(rows.get_group("p_value")) == 2 * 4


def test_gates_at_full_stops_and_elsewhere_average_to_the_gate_everywhere(frame):
    start = frame[(frame["quantity"] == "forget") & (frame["step"] == 0) & (frame["seed"] == 0)]
    mean = start.groupby("group")["value"].mean()
    assert mean[STOP] == pytest.approx(mean[OTHERS], abs=0.1)
    assert mean[OTHERS] == pytest.approx(1 / (1 + np.exp(-1)), abs=0.05)  # forget bias 1


def test_verdicts_are_told_of_gates_that_were_made_to_open(frame):
    rows = frame.copy()
    at = (rows["quantity"] == "forget") & (rows["group"] == STOP) & (rows["step"] == 2)
    rows.loc[at, "value"] = 0.01 + 0.001 * rows.loc[at, "seed"]
    rows.loc[rows["quantity"] == "p_value", "value"] = 0.0001
    assert STUDY.judge(rows)["stop"].verdict == "confirmed"
    rows.loc[at, "value"] = 0.99 - 0.001 * rows.loc[at, "seed"]
    assert STUDY.judge(rows)["stop"].verdict == "not confirmed"
    stops = rows["quantity"].eq("pair") & rows["value"].notna()
    inner = [text[int(k)] == "." for text, k in rows.loc[stops, ["text", "place"]].to_numpy()]
    rows.loc[rows.index[stops][inner], "value"] = 0.0
    assert STUDY.judge(rows)["pair"].verdict == "confirmed"


def test_a_network_that_learned_nothing_is_not_better_than_counting(frame):
    assert STUDY.judge(frame)["learning"].verdict == "not confirmed"


def test_the_figure_shows_gates_groups_loss_and_samples(frame):
    assert len(STUDY.draw(frame).axes) == 5  # and the colour bar


def test_the_test_by_shifts_finds_a_unit_that_opens_and_no_other():
    from forecast.studies.characters import shift_test

    rng = np.random.default_rng(0)
    f = rng.uniform(size=(1000, 3))
    at = rng.random(1000) < 0.02
    f[at, 1] -= 0.5
    p = shift_test(f, at)
    assert p[1] == pytest.approx(1 / 1000)
    assert p[[0, 2]].min() > 0.02
