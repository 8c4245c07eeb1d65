"""Studies that take no time."""

from collections.abc import Callable

import pandas as pd
import pytest

from forecast.plots.style import new_axes
from forecast.studies import Claim, Finding, Study


@pytest.fixture
def doubling(monkeypatch) -> Callable[..., Study]:
    """Return a factory of a study that doubles numbers and says in `calls` what it measured."""

    def make(calls: list[int], version: int = 1) -> Study:
        def measure(unit):
            calls.append(unit["number"])
            if unit["number"] < 0:
                raise ArithmeticError("negative")
            return pd.DataFrame({"lag": [0, 1], "twice": [2 * unit["number"] + unit["seed"]] * 2})

        study = Study(
            name="doubling",
            shows="Twice a number",
            task="Two numbers | doubled",
            claims={"twice": Claim("Twice two is four", "4", "Peano 1889")},
            plan=lambda sizes, seeds: [
                {"number": number, "seed": seed} for number in sizes["numbers"] for seed in seeds
            ],
            measure=measure,
            judge=lambda frame: {"twice": Finding(str(frame["twice"].max()), "confirmed")},
            draw=lambda frame: new_axes().figure,
            full={"numbers": [1, 2]},
            quick={"numbers": [2]},
            version=version,
        )
        monkeypatch.setattr("forecast.studies.runner.load", lambda name: study)
        return study

    return make
