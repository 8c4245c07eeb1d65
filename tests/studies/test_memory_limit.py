import pandas as pd
import pytest

from forecast.studies.memory_limit import COMPARED, STUDY


def frame(longest: dict[str, int]) -> pd.DataFrame:
    """Return what a run could have measured when each cell solves up to so many steps."""
    return pd.DataFrame(
        {
            "steps": steps,
            "cell": cell,
            "seed": seed,
            "solved": steps <= longest[cell],
            "mse": 0.005 if steps <= longest[cell] else 0.167,
            "sequences": 1000 * steps,
        }
        for steps in (50, 150, 500)
        for cell in COMPARED
        for seed in (0, 1)
    )


USUAL = {"simple-rnn": 0, "gru": 150, "lstm": 150, "chrono-lstm": 500}


def test_an_unsolved_length_has_the_error_of_remembering_nothing():
    sizes = {"lengths": [30], "units": 2, "lr": 1e-4, "training_steps": 100}
    [unit] = [u for u in STUDY.plan(sizes, range(1)) if u["cell"] == "chrono-lstm"]
    [row] = STUDY.measure(unit).to_dict("records")
    assert not row["solved"]
    assert row["mse"] > 0.1
    assert row["sequences"] == 3200


def test_the_context_ends_where_a_seed_fails():
    rows = frame(USUAL)
    found = STUDY.judge(rows)
    assert [finding.verdict for finding in found.values()] == ["confirmed"] * 3
    assert "LSTM (forget bias 1) 150" in found["limit"].ours
    assert "500 steps against 150" in found["chrono"].ours
    one_seed = (rows["cell"] == "lstm") & (rows["steps"] == 150) & (rows["seed"] == 1)
    rows.loc[one_seed, ["solved", "mse"]] = [False, 0.167]
    found = STUDY.judge(rows)
    assert "LSTM (forget bias 1) 50" in found["limit"].ours
    assert found["published"].verdict == "in part"


@pytest.mark.parametrize(
    ("longest", "name"),
    [
        (dict.fromkeys(COMPARED, 500), "chrono"),
        (USUAL | {"lstm": 0, "gru": 0, "simple-rnn": 500}, "limit"),
    ],
)
def test_a_claim_the_numbers_contradict_is_not_confirmed(longest, name):
    assert STUDY.judge(frame(longest))[name].verdict != "confirmed"


def test_the_figure_shows_error_and_effort_of_every_cell():
    error, effort = STUDY.draw(frame(USUAL)).axes
    assert len(error.lines) == 2 * len(COMPARED) + 1
    assert len(effort.lines) == len(COMPARED)
