"""Whether a Ray cluster is there, before work is given to it and while it works."""

import socket
import subprocess
import sys
import time

from forecast.errors import InputError

#: Seconds a cluster is given to answer.
PATIENCE_SECONDS = 30
#: Seconds without a single core to work on, after which a cluster is given up.
LOST_SECONDS = 60
#: Seconds between two looks at whether the head of the cluster still listens, and without it until
#: the cluster is given up; Ray itself would end this process a minute later.
WATCH_SECONDS, GONE_SECONDS = 2, 10

#: Joins the cluster of the address it is given, in a process of its own: Ray does not end in time
#: where there is none, and says much.
JOIN = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level=40)"


class Watch:
    """Looks now and then whether the cluster is still there."""

    def __init__(self, address: str) -> None:
        self.address, self.gone = address, False
        self._looked = self._heard = self._cores = time.monotonic()

    def worked(self) -> None:
        """Note that work has ended just now: there is a core."""
        self._cores = time.monotonic()

    def trouble(self) -> InputError | None:
        """The error, when its head does not listen or no core is left for too long."""
        now = time.monotonic()
        if now - self._looked < WATCH_SECONDS:
            return None
        self._looked = now
        if _unreachable(self.address):  # then nothing may be asked of Ray: it would wait a minute
            self.gone = now - self._heard > GONE_SECONDS
            return _vanished(self.address) if self.gone else None
        self._heard = now
        if cores():
            self._cores = now
        lost = now - self._cores > LOST_SECONDS
        return no_worker(f"for {LOST_SECONDS} s") if lost else None


def check_cluster(address: str) -> None:
    """Raise InputError when no cluster can be joined at an address, within `PATIENCE_SECONDS`."""
    if why := _unreachable(address):
        raise _no_cluster(address, why)
    try:
        done = subprocess.run(
            [sys.executable, "-c", JOIN, address],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _no_cluster(address, f"no answer within {PATIENCE_SECONDS} s") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise _no_cluster(address, lines[-1][:300] if lines else f"exit code {done.returncode}")


def _unreachable(address: str) -> str:
    """Why nothing listens at ``host:port``; "" when something does, or the address is another."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return ""
    try:
        socket.create_connection((host, int(port)), PATIENCE_SECONDS).close()
    except (OSError, OverflowError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def _no_cluster(address: str, why: str) -> InputError:
    return InputError(
        f"there is no Ray cluster at {address} that this machine can join ({why}): is it running, "
        "is this machine part of it (ray start --address …), and are Python and Ray the same "
        "versions there? Leave out --address for a Ray of its own here."
    )


def no_worker(where: str) -> InputError:
    """The error for a cluster without a core to work on; `where` or since when."""
    return InputError(
        f"the cluster has no core to work on {where}: start workers with ray start --address …; "
        "what is finished is kept, and the same command goes on."
    )


def _vanished(address: str) -> InputError:
    return InputError(
        f"the cluster at {address} is gone: start it again (ray start --head, and ray start "
        "--address … on the others); what is finished is kept, and the same command goes on."
    )


def cores() -> int:
    """Cores of all machines of the cluster that are alive."""
    import ray

    alive = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return int(sum(alive))
