import pandas as pd

from forecast.studies.adding import STUDY
from forecast.studies.cells import CELLS


def frame(rnn: float = 0.17, lstm: float = 0.02) -> pd.DataFrame:
    """Return what a run could have measured: no better than the mean first, then learned."""
    end = dict.fromkeys(CELLS, 0.01) | {"simple-rnn": rnn, "lstm": lstm}
    return pd.DataFrame(
        {
            "cell": cell,
            "seed": seed,
            "steps": 100,
            "step": step,
            "absolute_error": error,
            "right": float(error < 0.04),
        }
        for cell in CELLS
        for seed in (0, 1)
        for step, error in ((100, 0.17), (200, end[cell]))
    )


def test_errors_are_those_of_fresh_sequences_as_training_goes_on():
    sizes = {"units": 2, "steps": 20, "lr": 0.01, "training_steps": 200, "enough": 0.99}
    [unit] = [u for u in STUDY.plan(sizes, range(1)) if u["cell"] == "lstm"]
    rows = STUDY.measure(unit)
    assert rows["step"].tolist() == [100, 200]
    assert (rows["absolute_error"] ** 2 <= rows["mse"]).all()


def test_verdicts_follow_the_worst_seed_at_the_end():
    assert [found.verdict for found in STUDY.judge(frame()).values()] == ["confirmed"] * 2
    assert STUDY.judge(frame(rnn=0.03))["kept"].verdict == "in part"
    assert STUDY.judge(frame(lstm=0.17))["default"].verdict == "not confirmed"


def test_the_figure_has_a_line_for_every_seed_and_cell():
    [ax] = STUDY.draw(frame()).axes
    assert len(ax.lines) == 2 * len(CELLS) + 1  # and the tolerance
