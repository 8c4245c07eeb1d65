"""The Ray engine: units of work on a cluster, or on a Ray of its own here."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from joblib import Parallel, delayed

from forecast.engine.engines import given_up
from forecast.engine.tasks import LostError, Tasks, packed
from forecast.engine.watching import check_cluster, cores, no_worker
from forecast.errors import InputError

U = TypeVar("U")


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
