"""Each study once, at a size that takes seconds: it measures, judges and draws."""

import functools

import matplotlib.figure
import pandas as pd
import pytest

from forecast.settings import Settings
from forecast.studies import load, stocks, vanishing
from forecast.studies.runner import measured
from forecast.training import range_test

#: Sizes so small that a study says nothing but runs all of its code.
TINY = {
    "vanishing": {"steps": 4, "units": 3, "most_steps": 100, "probed": 2},
    "learning-rate": {"rates": [1e-3], "epochs": 1},
    "forget-bias": {"biases": [1.0], "steps": 6, "units": 3, "most_steps": 100, "epochs": 1},
    "chrono": {"blanks": 4, "lags": [5, 10], "units": 3, "most_steps": 5, "check_every": 5},
    "explosion": {"steps": [10], "gains": [1.5], "units": 3, "most_steps": 250},
    "cost": {"units": [2], "steps": 5, "repeats": 1},
}


#: What the stock network of a study is and learns from, here.
SMALL = {"tickers": ("AAPL",), "start": "2010-01-04", "lookback": 24, "horizon": 2}
SMALL |= {"units": 3, "batch_size": 8, "steps_per_epoch": 3, "telemetry": "economy"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A small stock network; of the cells of "vanishing" those that verdicts are about."""
    monkeypatch.setattr(stocks, "Settings", lambda **given: Settings(**{**SMALL, **given}))
    monkeypatch.setattr(range_test, "BATCH", SMALL["batch_size"])  # its programs are shared
    monkeypatch.setattr(vanishing, "CELLS", ("simple-rnn", "lstm", "no_forget_gate"))


@functools.cache
def frames(name):
    """What is measured of each unit of a study."""
    study = load(name)
    units = study.plan({**study.full, **study.quick, **TINY[name]}, range(1))
    return [(unit, measured(name, unit)) for unit in units]


@pytest.mark.parametrize("name", TINY)
def test_a_study_measures_judges_and_draws(name):
    study = load(name)
    frame = pd.concat([found for _, found in frames(name)], ignore_index=True)
    findings = study.judge(frame)
    assert set(findings) == set(study.claims)
    for finding in findings.values():
        assert finding.ours
        assert "nan" not in finding.ours
        assert finding.verdict in ("confirmed", "in part", "not confirmed")
    assert isinstance(study.draw(frame), matplotlib.figure.Figure)


def test_a_unit_gives_the_same_rows_every_time():
    unit, first = frames("explosion")[0]
    pd.testing.assert_frame_equal(first, measured("explosion", unit))
