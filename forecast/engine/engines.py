"""The engines: each takes a function and units, and yields results as they end."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from forecast.command_settings import EngineSettings
from forecast.engine.worker import call, settle
from forecast.errors import InputError

U = TypeVar("U")
#: How often a unit is worked on before it is given up because its worker dies.
TRIES = 3
#: Calls that joblib makes side by side at least: a single one it would make in this process.
FEWEST_JOBS = 2


class Engine(Protocol):
    """Runs units, each in this process or on one core of another."""

    apart: bool  #: whether units run in other processes, not in this one
    processes: int  #: units that are worked on side by side at most
    shares_files: bool  #: whether units can reach the files of this machine

    def run(
        self,
        work: Callable[[Any, U], Any],
        units: Sequence[U],
        shared: Any = None,
        name: Callable[[U], str] = str,
    ) -> Iterator[tuple[int, Any]]:
        """Yield the number of each unit and ``work(shared, unit)``, in the order in which they end.

        `shared` is what all units need; `name` says in words which unit is meant. What `work`
        raises is raised; a unit whose worker was lost runs again. Raises InputError for one whose
        worker is lost every time.
        """


class Here:
    """In this process, one after the other."""

    apart, processes, shares_files = False, 1, True

    def run(
        self,
        work: Callable[[Any, U], Any],
        units: Sequence[U],
        shared: Any = None,
        name: Callable[[U], str] = str,
    ) -> Iterator[tuple[int, Any]]:
        """See `Engine.run`; the order is that of the units."""
        for number, unit in enumerate(units):
            yield number, work(shared, unit)


class Processes:
    """In processes of this machine, through joblib."""

    apart, shares_files = True, True

    def __init__(self, processes: int, begin: Callable[[], None] = settle) -> None:
        self.processes, self.begin = processes, begin

    def run(
        self,
        work: Callable[[Any, U], Any],
        units: Sequence[U],
        shared: Any = None,
        name: Callable[[U], str] = str,
    ) -> Iterator[tuple[int, Any]]:
        """See `Engine.run`. A process that dies takes the others with it: all of theirs run again.

        Nobody knows whose fault it was, so a unit that was there every time but the last runs alone
        then.
        """
        left, losses = dict(enumerate(units)), Counter[int]()
        while left:
            suspects = [number for number in left if losses[number] >= TRIES - 1]
            chosen = suspects[:1] or list(left)
            started: list[int] = []
            try:
                some = {number: left[number] for number in chosen}
                for number, result in self._side_by_side(work, some, shared, started):
                    del left[number]
                    yield number, result
            except BrokenProcessPool as error:
                losses.update(number for number in started if number in left)
                if suspects:
                    raise given_up(name(left[suspects[0]])) from error

    def _side_by_side(
        self, work: Callable[..., Any], units: Mapping[int, U], shared: Any, started: list[int]
    ) -> Iterator[tuple[int, Any]]:
        from joblib import Parallel, delayed, parallel_config

        def calls() -> Iterator[Any]:
            for number, unit in units.items():
                started.append(number)
                yield delayed(call)(work, shared, number, unit)

        # begun before anything of a call is read: that imports what it is made of
        with parallel_config("loky", inner_max_num_threads=1, initializer=self.begin):
            parallel = Parallel(
                n_jobs=max(min(self.processes, len(units)), FEWEST_JOBS),
                pre_dispatch=self.processes,
                batch_size=1,
                return_as="generator_unordered",
            )
        yield from parallel(calls())


def given_up(unit: str, why: str = "it ended without a word") -> InputError:
    """The error for a unit whose worker dies every time."""
    return InputError(
        f"the worker of {unit} was lost {TRIES} times ({why}): was its memory used up? What is "
        "finished is kept; take fewer --processes, or shorter windows and fewer units, and give "
        "the same command again."
    )


@contextmanager
def opened(
    how: EngineSettings, apart: bool = False, begin: Callable[[], None] = settle
) -> Iterator[Engine]:
    """Yield the engine that was asked for; its processes end with the block.

    Without a word of it units run in this process, or, with `apart`, in one process per core.
    `begin` is called in a process made for units before the first of them; it may be called again.
    Raises InputError for a cluster that cannot be used.
    """
    if how.engine == "ray":
        from forecast.engine.cluster import connected

        with connected(how.address, how.processes, begin) as cluster:
            yield cluster
    elif how.processes or apart:
        try:
            yield Processes(how.processes or cores(), begin)
        finally:
            _end_processes()
    else:
        yield Here()


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _end_processes() -> None:
    """End joblib's processes: those that wait would keep TensorFlow's memory."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)
