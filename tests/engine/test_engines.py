"""Engines on units that take no time, in functions that are pickled by value."""

import os
from collections import Counter

import pytest

from forecast.command_settings import EngineSettings
from forecast.engine import Here, opened
from forecast.errors import DivergedError, InputError


@pytest.fixture(scope="module")
def two():
    """Two processes, for all tests of this file."""
    with opened(EngineSettings(processes=2)) as engine:
        yield engine


def named(unit):
    return f"number {unit}"


def test_without_a_word_units_run_here_one_after_the_other():
    with opened(EngineSettings()) as engine:
        assert isinstance(engine, Here)
        found = list(engine.run(lambda shared, unit: (shared + unit, os.getpid()), [3, 1], 10))
    assert found == [(0, (13, os.getpid())), (1, (11, os.getpid()))]


def test_units_run_in_processes_of_one_core_and_one_thread(two):
    def work(shared, unit):
        import os
        import time

        time.sleep(0.1)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        return shared * unit, os.getpid(), cores, os.environ["OMP_NUM_THREADS"]

    found = dict(two.run(work, range(6), 7))
    assert {k: value for k, (value, *_) in found.items()} == {k: 7 * k for k in range(6)}
    assert {each[1] for each in found.values()}.isdisjoint({os.getpid()})
    assert {each[2:] for each in found.values()} == {(1, "1")}


def test_one_process_is_a_process_of_its_own():
    with opened(EngineSettings(processes=1)) as engine:
        found = list(engine.run(lambda shared, unit: os.getpid(), [0, 1]))
    assert os.getpid() not in [pid for _, pid in found]


def test_the_units_of_a_process_that_is_killed_run_again_and_each_is_told_once(two, tmp_path):
    def work(log, unit):
        import os
        import signal
        import time

        with log.open("a") as file:
            file.write(f"{unit}\n")
        time.sleep(0.1)
        if unit == 3 and log.read_text().count("3\n") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return unit**2

    log = tmp_path / "log"
    found = list(two.run(work, range(6), log))
    assert sorted(found) == [(k, k**2) for k in range(6)]
    runs = Counter(log.read_text().split())
    assert runs["3"] == 2
    assert all(1 <= runs[str(k)] <= 2 for k in range(6))


def test_a_unit_that_kills_every_worker_is_named_and_the_others_before_it_are_done(two):
    def work(shared, unit):
        import os
        import signal
        import time

        if unit == 3:
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)
        return unit

    done = []
    found = (done.append(unit) for _, unit in two.run(work, range(5), name=named))
    with pytest.raises(InputError, match=r"the worker of number 3 was lost 3 times .* memory"):
        list(found)
    assert {0, 1, 2} <= set(done)
    assert len(done) == len(set(done))


@pytest.mark.parametrize("error", [InputError, DivergedError])
def test_what_a_unit_raises_is_raised_as_it_is(two, error):
    def work(shared, unit):
        raise error(f"unit {unit}")

    with pytest.raises(error, match=r"^unit 0$"):
        list(two.run(work, [0]))
    assert list(two.run(lambda shared, unit: unit, [1])) == [(0, 1)]


def test_an_address_without_ray_is_told():
    with pytest.raises(ValueError, match="--address goes with --engine ray, not with --engine lo"):
        EngineSettings(address="auto")


def test_no_more_processes_begin_than_there_are_units(tmp_path):
    def begin():
        (tmp_path / str(os.getpid())).touch()

    with opened(EngineSettings(processes=4), begin=begin) as engine:
        assert dict(engine.run(lambda shared, unit: unit**2, range(2))) == {0: 0, 1: 1}
    assert len(list(tmp_path.iterdir())) == 2
