import numpy as np
import pandas as pd
import pytest

from forecast.studies.reber import STUDY

TINY = {
    "units": 4,
    "strings": {"longest": 12, "batch_size": 4, "training_steps": 100, "lr": 0.01},
    "stream": {
        "chunk": 10,
        "batch_size": 4,
        "training_steps": 3,
        "lr": 0.01,
        "test_symbols": 60,
    },
}


@pytest.fixture(scope="module")
def units():
    return {(unit["task"], unit["cell"]): unit for unit in STUDY.plan(TINY, range(1))}


@pytest.mark.parametrize("cell", ["lstm", "no_forget_gate"])
def test_a_stream_is_followed_to_its_end_by_a_state_that_goes_on(units, cell):
    rows = STUDY.measure(units["stream", cell])
    assert rows["symbols"].tolist() == [10, 20, 30, 40, 50, 60]
    assert (rows["cell_norm"] > 0).all()


def test_strings_are_counted_as_right_when_all_their_symbols_are(units):
    [row] = STUDY.measure(units["strings", "simple-rnn"]).to_dict("records")
    assert 0 <= row["strings_right"] <= row["outer_right"] <= 1


def frame(
    norm_1997: float = 500.0, norm: float = 8.0, outer: float = 1.0, rnn: float = 0.9
) -> pd.DataFrame:
    """Return what a run could have measured."""
    strings = [
        {"task": "strings", "cell": cell, "seed": seed, "strings_right": right}
        for cell, right in (("lstm", 1.0), ("no_forget_gate", 1.0), ("simple-rnn", rnn))
        for seed in (0, 1)
    ]
    stream = [
        {
            "task": "stream",
            "cell": cell,
            "seed": seed,
            "symbols": symbols,
            "cell_norm": start + (end - start) * symbols / 1000,
            "outer_right": told,
        }
        for cell, start, end, told in (
            ("lstm", 8, norm, outer),
            ("no_forget_gate", 8, norm_1997, 0.5),
        )
        for seed in (0, 1)
        for symbols in np.arange(50, 1001, 50)
    ]
    return pd.DataFrame(strings + stream)


def test_verdicts_follow_the_numbers():
    found = {name: finding.verdict for name, finding in STUDY.judge(frame()).items()}
    assert found == {"strings": "confirmed", "growth": "confirmed", "outer": "confirmed"}
    found = STUDY.judge(frame(norm_1997=9, norm=500, outer=0.9, rnn=1.0))
    assert found["strings"].verdict == "in part"
    assert found["growth"].verdict == "not confirmed"
    assert found["outer"].verdict == "in part"


def test_the_figure_has_a_line_for_every_seed_and_cell():
    norm, outer = STUDY.draw(frame()).axes
    assert len(norm.lines) == 4
    assert len(outer.lines) == 5  # and guessing
