"""Units as tasks of a Ray cluster: a backend for joblib, and what its workers are sent.

Ray's own backend for joblib (`ray.util.joblib`) is not used: it deals calls in turn to a fixed set
of actors, whose work is lost with their machine; it makes a single call in this process; and it
gives results only when all are there. As tasks, units go to whichever core is free, those of a
lost worker run again while the others go on, and a machine that joins takes its share.
"""

import pickle
from collections.abc import Callable
from concurrent.futures import Future
from importlib.metadata import version
from queue import Empty, SimpleQueue
from threading import Thread, current_thread
from typing import Any

import numpy as np
from joblib.parallel import ParallelBackendBase

from forecast.engine.engines import FEWEST_JOBS, TRIES
from forecast.engine.watching import Watch
from forecast.engine.worker import code
from forecast.errors import InputError

#: Packages that must be the same everywhere: their versions can change the numbers.
PACKAGES = ("forecast", "tensorflow", "keras", "numpy")
#: Seconds between two looks at tasks that were added meanwhile.
LOOK_SECONDS = 0.05


class LostError(Exception):
    """The worker of a unit died every time; says which unit and why."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(number, why)
        self.number, self.why = number, why


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
