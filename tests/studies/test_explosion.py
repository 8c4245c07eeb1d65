import pandas as pd

from forecast.studies.explosion import CLIPS, STUDY


def frame(free: int, clipped: int) -> pd.DataFrame:
    """Return what a run could have measured: so many of four seeds solve the longer input."""
    return pd.DataFrame(
        {
            "steps": steps,
            "gain": gain,
            "clip": clip,
            "seed": seed,
            "growth": gain**5 if gain > 1 else 0.1,
            "solved": steps == 20 or seed < solving,
        }
        for steps in (20, 40)
        for gain in (1.0, 1.5)
        for clip, solving in zip(CLIPS, (free, clipped), strict=True)
        for seed in range(4)
    )


def test_success_rates_are_compared_at_every_length():
    found = STUDY.judge(frame(free=1, clipped=3))
    assert [finding.verdict for finding in found.values()] == ["confirmed"] * 2
    said = "100% and 100% over 20 steps, 25% and 75% over 40 steps (of 8 trainings each)"
    assert found["clipping"].ours.endswith(said)
    assert STUDY.judge(frame(free=2, clipped=2))["clipping"].verdict == "not confirmed"
    assert STUDY.judge(frame(free=3, clipped=1))["clipping"].verdict == "not confirmed"


def test_the_figure_has_a_line_for_every_gain_and_clipping():
    growth, success = STUDY.draw(frame(free=1, clipped=3)).axes
    assert len(growth.lines) == 2
    assert len(success.lines) == 4
