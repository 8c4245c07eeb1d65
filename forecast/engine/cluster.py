"""The Ray engine: units as tasks of a cluster, through a backend for joblib.

Ray's own backend for joblib (`ray.util.joblib`) is not used: it deals calls in turn to a fixed set
of actors, whose work is lost with their machine; it makes a single call in this process; and it
gives results only when all are there. As tasks, units go to whichever core is free, those of a
lost worker run again while the others go on, and a machine that joins takes its share.
"""

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from importlib.metadata import version
from queue import Empty, SimpleQueue
from threading import Thread, current_thread
from typing import Any, TypeVar

import numpy as np
from joblib import Parallel, delayed
from joblib.parallel import ParallelBackendBase

from forecast.engine.engines import FEWEST_JOBS, TRIES, given_up
from forecast.engine.watching import Watch, check_cluster, cores, no_worker
from forecast.engine.worker import code
from forecast.errors import InputError

U = TypeVar("U")
#: Packages that must be the same everywhere: their versions can change the numbers.
PACKAGES = ("forecast", "tensorflow", "keras", "numpy")
#: Seconds between two looks at tasks that were added meanwhile.
LOOK_SECONDS = 0.05


class LostError(Exception):
    """The worker of a unit died every time; says which unit and why."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(number, why)
        self.number, self.why = number, why


class Cluster:
    """On a Ray cluster this process has joined."""

    apart = True

    def __init__(
        self, address: str | None, processes: int | None, begin: Callable[[], None]
    ) -> None:
        self.shares_files, self.begin = not address, begin
        self.processes = processes or cores()
        self._all = processes is None
        self._sent: tuple[Any, Any] | None = None

    def run(
        self,
        work: Callable[[Any, U], Any],
        units: Sequence[U],
        shared: Any = None,
        name: Callable[[U], str] = str,
    ) -> Iterator[tuple[int, Any]]:
        """See `Engine.run`. `shared` goes once to each machine, whose workers read one copy.

        The same object is not sent again in the next call.
        """
        import ray

        if not self._sent or self._sent[0] is not shared:
            self._sent = (shared, ray.put(packed(shared)))
        tasks = Tasks(self.begin, self._sent[1])
        parallel = Parallel(
            n_jobs=self.processes,
            backend=tasks,
            pre_dispatch="all" if self._all else self.processes,
            batch_size=1,
            return_as="generator_unordered",
        )
        try:
            yield from parallel(delayed(work)(number, unit) for number, unit in enumerate(units))
        except LostError as error:
            raise given_up(name(units[error.number]), error.why) from error
        finally:
            tasks.terminate()


class Tasks(ParallelBackendBase):
    """joblib's calls as Ray tasks; a thread waits for their results."""

    supports_retrieve_callback = True

    def __init__(self, begin: Callable[[], None], shared: Any) -> None:
        super().__init__()
        import ray

        remote = ray.remote(num_cpus=1, max_retries=TRIES - 1, scheduling_strategy="SPREAD")
        self._task = remote(_launcher())
        self._begin, self._shared = begin, shared
        self._expected = {**{name: version(name) for name in PACKAGES}, "its code": code()}
        self._new: SimpleQueue[tuple[Any, int, Callable[[Any], None]]] = SimpleQueue()
        self._stopped = True
        self._thread: Thread | None = None

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Return the tasks side by side: never one, which joblib would do itself."""
        return max(n_jobs, FEWEST_JOBS)

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
        """Begin to wait for results."""
        self.parallel, self._stopped = parallel, False
        self._thread = Thread(target=self._wait, daemon=True)
        self._thread.start()
        return self.effective_n_jobs(n_jobs)

    def submit(self, func: Any, callback: Any = None) -> Any:
        """Give a call to the cluster."""
        ((work, (number, unit), _),) = func.items
        task = self._task.remote(
            self._expected, self._shared, packed((self._begin, packed((work, number, unit))))
        )
        self._new.put((task, number, callback))
        return task

    def retrieve_result_callback(self, out: "Future[Any]") -> list[Any]:
        """Return the results of a call, or raise what it raised."""
        return [out.result()]

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Take back what is not finished."""
        self.terminate()

    def terminate(self) -> None:
        """Stop waiting, for Ray ends a process that asks it anything after it was left.

        Tasks that nobody waits for are taken back.
        """
        self._stopped = True
        if self._thread and self._thread is not current_thread():
            self._thread.join()

    def _wait(self) -> None:
        import ray

        waiting: dict[Any, tuple[int, Callable[[Any], None]]] = {}
        watch = Watch(ray.get_runtime_context().gcs_address)
        while not self._stopped:
            try:
                while True:
                    task, number, callback = self._new.get(not waiting, LOOK_SECONDS)
                    waiting[task] = (number, callback)
            except Empty:
                pass
            done, _ = ray.wait(list(waiting), timeout=LOOK_SECONDS) if waiting else ([], [])
            for task in done:
                number, callback = waiting.pop(task)
                callback(_outcome(task, number))
            if done:
                watch.worked()
            if waiting and (why := watch.trouble()):
                _, callback = waiting.popitem()[1]
                callback(_failed(why))
                if watch.gone:
                    return
                break
        for task in waiting:
            ray.cancel(task, force=True)


def _outcome(task: Any, number: int) -> "Future[Any]":
    """The result of a task that has ended, or what went wrong."""
    import ray

    try:
        kind, *said = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        return _failed(error.cause if isinstance(error.cause, Exception) else error)
    except ray.exceptions.RayError as error:
        return _failed(LostError(number, str(error).strip().split("\n")[0][:200]))
    if kind == "raised":
        return _failed(said[0])
    if kind == "other":
        return _failed(_other_versions(*said))
    future: Future[Any] = Future()
    future.set_result(said[0])
    return future


def _failed(error: Exception) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def _launcher() -> Callable[..., tuple[Any, ...]]:
    """Return the function that a worker is sent: it needs nothing of this package to begin."""

    def launch(expected: dict[str, str], shared: list[Any], task: list[Any]) -> tuple[Any, ...]:
        import importlib
        import pickle
        import socket
        from importlib.metadata import PackageNotFoundError, version

        def found(name: str) -> str:
            try:
                if name == "its code":
                    return str(importlib.import_module("forecast.engine.worker").code())
                return version(name)
            except (ImportError, PackageNotFoundError):
                return "none"

        def unpacked(parts: list[Any]) -> Any:
            return pickle.loads(parts[0], buffers=parts[1:])

        there = {name: found(name) for name in expected}
        if there != expected:
            return "other", socket.gethostname(), expected, there
        begin, rest = unpacked(task)
        begin()  # before anything is read that imports what it is made of
        work, number, unit = unpacked(rest)
        try:
            return "done", (number, work(unpacked(shared), unit))
        except Exception as error:
            return "raised", error

    return launch


def packed(content: Any) -> list[Any]:
    """Return a pickle and the arrays it refers to, which Ray lets every worker read in place."""
    from ray import cloudpickle

    buffers: list[pickle.PickleBuffer] = []
    head = cloudpickle.dumps(content, protocol=5, buffer_callback=buffers.append)
    return [head, *(np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers)]


@contextmanager
def connected(
    address: str | None, processes: int | None, begin: Callable[[], None]
) -> Iterator[Cluster]:
    """Yield the cluster at an address, or one on this machine that ends with the block.

    Raises InputError without Ray, without a cluster there, and when it has no core to work on.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError as error:
        raise InputError(
            '--engine ray needs Ray: pip install "forecast[ray]" (or pip install ray).'
        ) from error
    own: dict[str, Any] = {} if address else {"num_cpus": processes, "include_dashboard": False}
    if address:
        check_cluster(address)
    ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    ray._private.worker._worker_logs_enabled = False  # Ray's news of lost workers are screenfuls
    try:
        if not cores():
            raise no_worker(f"at {address}")
        yield Cluster(address, processes, begin)
    finally:
        ray.shutdown()


def _other_versions(host: str, expected: dict[str, str], there: dict[str, str]) -> InputError:
    """The error for a worker on which something else is installed."""
    differs = [
        f"{name} {there[name][:12]}, here {value[:12]}"
        for name, value in expected.items()
        if there[name] != value
    ]
    return InputError(
        f"the worker on {host} has {'; '.join(differs)}: install there what is installed here "
        f"(pip install {' '.join(f'{n}=={v}' for n, v in expected.items() if n in PACKAGES[1:])} "
        "and the same forecast), and start it again."
    )
