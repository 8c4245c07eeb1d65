import pandas as pd

from forecast.studies.cells import CELLS
from forecast.studies.temporal_order import STUDY


def frame(rnn: float = 0.25, lstm: float = 1.0) -> pd.DataFrame:
    """Return what a run could have measured: chance first, then what was learned.

    `rnn` and `lstm` are what they end with at the longer of two lengths; at the other all learn.
    """
    end = dict.fromkeys(CELLS, 1.0) | {"simple-rnn": rnn, "lstm": lstm}
    return pd.DataFrame(
        {"cell": cell, "seed": seed, "steps": steps, "step": step, "right": right}
        for steps in (50, 100)
        for cell in CELLS
        for seed in (0, 1)
        for step, right in ((100, 0.25), (200, end[cell] if steps == 100 else 1.0))
    )


def test_fresh_sequences_are_classified_as_training_goes_on():
    sizes = {"units": 2, "lengths": [20], "lr": 0.01, "training_steps": 200}
    [unit] = [u for u in STUDY.plan(sizes, range(1)) if u["cell"] == "chrono-lstm"]
    rows = STUDY.measure(unit)
    assert rows["step"].tolist() == [100, 200]
    assert rows["right"].between(0, 1).all()


def test_verdicts_follow_the_last_look():
    assert [found.verdict for found in STUDY.judge(frame()).values()] == ["confirmed"] * 2
    assert STUDY.judge(frame(rnn=0.9))["order"].verdict == "in part"
    default = STUDY.judge(frame(lstm=0.3))["default"]
    assert default.verdict == "in part"
    assert default.ours == "right classes of the worst seed: 100% over 50 steps, 30% over 100 steps"


def test_the_figure_has_a_line_for_every_seed_and_cell():
    for ax in STUDY.draw(frame()).axes:
        assert len(ax.lines) == 2 * len(CELLS) + 1  # and guessing
