import pandas as pd
import pytest

from forecast.engine import Here
from forecast.studies.runner import collected, finished, run_units


def test_the_frame_has_the_settings_of_every_unit_beside_what_was_measured(doubling, tmp_path):
    study = doubling([])
    units = study.units(quick=False, seeds=2)
    list(run_units(study, units, tmp_path, Here()))
    expected = pd.DataFrame(
        {
            "number": [1, 1, 1, 1, 2, 2, 2, 2],
            "seed": [0, 0, 1, 1, 0, 0, 1, 1],
            "lag": [0, 1] * 4,
            "twice": [2, 2, 3, 3, 4, 4, 5, 5],
        }
    )
    pd.testing.assert_frame_equal(collected(study, units, tmp_path), expected)


def test_a_unit_that_fails_leaves_those_before_it(doubling, tmp_path):
    study = doubling([])
    good, bad, late = ({"number": number, "seed": 0} for number in (5, -1, 6))
    with pytest.raises(ArithmeticError, match="negative"):
        list(run_units(study, [good, bad, late], tmp_path, Here()))
    assert finished(study, good, tmp_path) is not None
    assert finished(study, bad, tmp_path) is None


def test_a_damaged_unit_is_measured_again(doubling, tmp_path):
    study = doubling([])
    unit = {"number": 5, "seed": 0}
    list(run_units(study, [unit], tmp_path, Here()))
    [path] = (tmp_path / "units").iterdir()
    path.write_bytes(path.read_bytes()[:100])
    assert finished(study, unit, tmp_path) is None
    assert not path.exists()


def test_a_unit_of_an_older_version_of_the_study_does_not_count(doubling, tmp_path):
    unit = {"number": 5, "seed": 0}
    list(run_units(doubling([]), [unit], tmp_path, Here()))
    assert finished(doubling([], version=2), unit, tmp_path) is None


def test_a_unit_is_kept_under_all_of_its_settings(doubling):
    study = doubling([])
    keys = {
        study.key(unit)
        for unit in ({"a": 1, "seed": 0}, {"a": 1, "seed": 1}, {"a": 1.5, "seed": 0}, {"a": 1})
    }
    assert len(keys) == 4
    assert study.key({"a": 1, "seed": 0}) == study.key({"seed": 0, "a": 1})


def test_units_of_a_study_that_measures_time_run_one_at_a_time(doubling, tmp_path):
    from dataclasses import replace

    calls = []
    study = replace(doubling(calls), alone=True)
    seen = []
    for unit in run_units(study, study.units(quick=False, seeds=1), tmp_path, Here()):
        seen.append((unit["number"], list(calls)))
    assert seen == [(1, [1]), (2, [1, 2])]
