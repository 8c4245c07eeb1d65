"""A real Ray cluster: a head without cores and two workers of one core each."""

import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from forecast.command_settings import EngineSettings
from forecast.drafts import CHECKPOINT
from forecast.engine import Processes, cluster, opened, tasks, watching
from forecast.errors import DivergedError, InputError
from forecast.jobs.following import PROGRESS
from forecast.jobs.networks import train_networks
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.jobs.workers import load_tensorflow
from forecast.settings import Settings
from forecast.windows import make_splits

ray = pytest.importorskip("ray", reason="the extra ray is not installed")

#: Lost machines are noticed in a second; there is little to keep.
QUICK = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300}
QUICK |= {"health_check_failure_threshold": 3}
SMALL = {"object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """The cluster, and its two workers, the second of which a test may kill."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": QUICK, **SMALL}
        made = Cluster(initialize_head=True, head_node_args=head)
        try:
            yield made, [made.add_node(num_cpus=1, **SMALL) for _ in range(2)]
        finally:
            made.shutdown()


@pytest.fixture(scope="module")
def engine(machines):
    """The engine on that cluster."""
    with opened(EngineSettings(engine="ray", address=machines[0].address)) as found:
        yield found


def test_units_run_on_the_cluster_on_one_core_and_errors_come_as_they_are(engine):
    def work(shared, unit):
        import os

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        return float(shared.sum()) * unit, cores, shared.flags.writeable, os.getpid()

    found = dict(engine.run(work, range(4), np.ones(300_000)))
    assert {k: each[:3] for k, each in found.items()} == {
        k: (300_000.0 * k, 1, False) for k in range(4)
    }
    assert os.getpid() not in {each[3] for each in found.values()}

    def fails(shared, unit):
        raise DivergedError(f"unit {unit}")

    with pytest.raises(DivergedError, match=r"^unit 0$"):
        list(engine.run(fails, [0]))


def bits(networks):
    """What a training has made: SHA-256 of the weights, losses, telemetry."""
    return [
        (
            hashlib.sha256(
                b"".join(np.asarray(v).tobytes() for v in n.network_.variables)
            ).digest(),
            n.history_.drop(columns="seconds").to_csv(),
            n.telemetry_.to_csv(),
        )
        for n in networks
    ]


def test_networks_are_the_same_to_the_last_bit_on_the_cluster_and_here(
    machines, engine, make_panel, tmp_path
):
    def begin_as_the_default_does():  # with all cores
        from forecast.training.devices import fix_order

        fix_order()

    small = {"units": 2, "epochs": 2, "steps_per_epoch": 2, "lookback": 16, "horizon": 5}
    settings = Settings(**small, cell=("lstm",), telemetry="economy")
    panel = make_panel(tickers=1, sessions=520)
    prepared = Prepared(panel, make_splits(panel, settings), [])
    there = cluster.Cluster(machines[0].address, None, load_tensorflow)
    here = Processes(1, begin_as_the_default_does)
    found = []
    for where in (there, here):
        draft = tmp_path / type(where).__name__
        (draft / CHECKPOINT).mkdir(parents=True)
        said = io.StringIO()
        terminal = Terminal(console=Console(file=said, width=300))
        found.append(bits(train_networks(settings, prepared, terminal, draft, where)["lstm"]))
        lines = said.getvalue().splitlines()
        assert sum(line.startswith("Trained lstm, seed ") for line in lines) == 1
        assert sum(line.startswith("  epoch   2  loss ") for line in lines) == 1
        assert len(pd.read_csv(draft / PROGRESS)) == 2
    assert found[0] == found[1]
    again = train_networks(settings, prepared, Terminal(quiet=True), draft, Broken())
    assert bits(again["lstm"]) == found[0]


class Broken:
    """An engine that must not be asked."""

    apart, processes, shares_files = True, 1, True

    def run(self, *arguments):
        raise AssertionError("there was nothing left to do")


def test_a_worker_with_another_version_is_told_before_it_works(engine, monkeypatch):
    real = tasks.version
    other = {"keras": "0.1"}
    monkeypatch.setattr(tasks, "version", lambda name: other.get(name) or real(name))
    worked = []
    found = engine.run(lambda shared, unit: unit, [0])
    with pytest.raises(InputError, match=rf"has keras {real('keras')[:5]}.*, here 0.1: .*pip inst"):
        worked.extend(found)
    assert worked == []


def test_a_worker_without_the_package_is_told(engine, monkeypatch):
    monkeypatch.setattr(tasks, "version", lambda name: "1")
    monkeypatch.setattr(tasks, "PACKAGES", ("no-such-package",))
    with pytest.raises(InputError, match=r"the worker on .* has no-such-package none, here 1"):
        list(engine.run(lambda shared, unit: unit, [0]))


def test_a_unit_that_kills_every_worker_is_named(engine):
    def work(shared, unit):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(InputError, match=r"the worker of number 5 was lost 3 times"):
        list(engine.run(work, [5], name=lambda unit: f"number {unit}"))


def test_a_machine_that_is_killed_loses_nothing_and_nothing_is_told_twice(
    machines, engine, tmp_path
):
    def work(log, unit):
        import os
        import time

        with (log / f"{unit}-{os.getpid()}-{time.monotonic_ns()}").open("w") as file:
            file.write(os.environ.get("RAY_NODE_ID", "") or str(os.getppid()))
        time.sleep(0.7)
        return unit**3

    def kill():
        while not any(path.read_text() == str(victim) for path in tmp_path.iterdir()):
            time.sleep(0.05)
        os.kill(victim, signal.SIGKILL)

    victim = machines[1][1].all_processes["raylet"][0].process.pid
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    told = list(engine.run(work, range(8), tmp_path))
    killer.join(10)
    assert not killer.is_alive()
    assert sorted(told) == [(k, k**3) for k in range(8)]
    starts = Counter(path.name.split("-")[0] for path in tmp_path.iterdir())
    assert set(starts) == {str(k) for k in range(8)}
    assert sum(starts.values()) == 9  # only that of the killed machine ran again


def test_a_cluster_whose_machines_are_lost_and_one_whose_head_is_lost_are_told(
    machines, engine, monkeypatch
):
    def work(shared, unit):
        import time

        time.sleep(60)

    def killed(*processes):
        for each in processes:
            if each.process.poll() is None:
                each.process.kill()

    made, workers = machines
    monkeypatch.setattr(watching, "WATCH_SECONDS", 0.2)
    monkeypatch.setattr(watching, "LOST_SECONDS", 1)
    monkeypatch.setattr(watching, "GONE_SECONDS", 1)
    raylets = [node.all_processes["raylet"][0] for node in workers]
    threading.Timer(1, killed, raylets).start()
    with pytest.raises(InputError, match=r"has no core to work on for 1 s: start workers with ray"):
        list(engine.run(work, [0]))
    threading.Timer(1, killed, made.head_node.all_processes["gcs_server"]).start()
    monkeypatch.setattr(watching, "LOST_SECONDS", 60)
    with pytest.raises(InputError, match=rf"the cluster at {made.address} is gone: start it again"):
        list(engine.run(work, [0]))


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(InputError, match=r'needs Ray: pip install "forecast\[ray\]"'),
        opened(EngineSettings(engine="ray")),
    ):
        pass


@pytest.mark.parametrize(
    ("listening", "why"), [(True, "no answer within 1 s"), (False, "Connection refused")]
)
def test_a_cluster_that_is_not_there_is_told_within_its_time(listening, why, monkeypatch, capfd):
    monkeypatch.setattr(watching, "PATIENCE_SECONDS", 1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{other.getsockname()[1]}"
        if listening:
            other.listen()
        with (
            pytest.raises(InputError, match=rf"no Ray cluster at {address} that .*\({why}\)"),
            opened(EngineSettings(engine="ray", address=address)),
        ):
            pass
    assert capfd.readouterr() == ("", "")


def test_a_worker_without_any_of_this_package_can_begin_and_say_so():
    from ray import cloudpickle

    read = (
        "import pickle, sys; sys.modules['forecast'] = None; work = pickle.load(sys.stdin.buffer)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{read}; print(work({{'its code': '0'}}, [], [])[-1])"],
        input=cloudpickle.dumps(tasks._launcher()),
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"{'its code': 'none'}\n"
