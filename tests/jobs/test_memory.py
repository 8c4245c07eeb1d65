"""A training that does not fit into the memory is told before it begins."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from forecast.cli import main
from forecast.command_settings import EngineSettings
from forecast.errors import InputError
from forecast.jobs import memory, walking
from forecast.settings import Settings
from forecast.training import fitting
from forecast.windows import features

ROOT = Path(__file__).parents[2]
GB = memory.GB


@pytest.fixture
def free(monkeypatch, tmp_path):
    """Let the system say what is free and what its container and shell allow, in GB."""

    def say(total=None, container=None, shell=None):
        (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {total * 2**20} kB\n")
        monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
        monkeypatch.setattr(memory, "CGROUP", tmp_path)
        (tmp_path / "memory.max").write_text("max\n" if container is None else f"{container * GB}")
        (tmp_path / "memory.current").write_text(f"{GB // 2}\n")
        monkeypatch.setattr(memory, "_allowed", lambda: None if shell is None else shell * GB)

    return say


@pytest.mark.parametrize(
    ("said", "gigabytes"),
    [
        ({"total": 8}, 8),
        ({"total": 8, "container": 2}, 1.5),
        ({"total": 1, "container": 9}, 1),
        ({"total": 8, "shell": 3}, 3),
    ],
)
def test_what_is_free_is_the_least_of_machine_container_and_shell(free, said, gigabytes):
    free(**said)
    assert memory.available_bytes() == gigabytes * GB


def test_a_system_that_does_not_say_holds_nothing_up(monkeypatch, tmp_path, make_panel):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(memory, "_allowed", lambda: None)
    assert memory.available_bytes() is None
    memory.check_memory(Settings(units=4096, batch_size=10_000), make_panel())


def test_too_little_memory_is_told_with_what_is_needed_and_what_is_free(free, make_panel):
    panel = make_panel()
    free(total=4)
    memory.check_memory(Settings(), panel)
    with pytest.raises(
        InputError,
        match=r"needs about \d\d\.\d GB of memory and 4\.0 GB are free: batches of 2048 windows × "
        r"160 sessions × 1024 units, 3 tickers × 700 sessions\. Take a smaller --batch-size",
    ):
        memory.check_memory(Settings(units=1024, batch_size=2048), panel)


def test_processes_of_this_machine_are_counted_and_fewer_of_them_are_the_remedy(free, make_panel):
    panel, settings = make_panel(), Settings(seeds=8)
    free(total=6)
    memory.check_memory(settings, panel)
    for engine in ("local", "ray"):
        memory.check_memory(settings, panel, EngineSettings(engine=engine, processes=3))
        with pytest.raises(
            InputError,
            match=r"needs about 8\.7 GB of memory and 6\.0 GB are free: 8 processes of 0\.9 GB "
            r"each, batches of 64 windows .*\. Take fewer --processes, a smaller --batch-size",
        ):
            memory.check_memory(settings, panel, EngineSettings(engine=engine, processes=8))


def test_a_single_process_is_told_without_the_remedy_of_fewer(free, make_panel):
    free(total=1)
    said = r"are free: a process of 0\.9 GB beside this one, batches .*\. Take a smaller --batch"
    with pytest.raises(InputError, match=said):
        memory.check_memory(Settings(seeds=8), make_panel(), EngineSettings(processes=1))


@pytest.mark.parametrize(
    ("how", "here"),
    [
        ({}, 0),
        ({"processes": 3}, 3),
        ({"processes": 9}, 4),  # no more than there are networks
        ({"engine": "ray", "processes": 1}, 1),
        ({"engine": "ray"}, 2),  # as many as there are cores
        ({"engine": "ray", "address": "elsewhere:6379"}, 0),
    ],
)
def test_processes_of_this_machine_are_those_that_train_on_it(how, here, monkeypatch):
    monkeypatch.setattr(memory, "cores", lambda: 2)
    settings = Settings(cell=("lstm", "gru"), seeds=2)
    assert memory.workers_here(settings, EngineSettings(**how)) == here


@pytest.mark.parametrize(
    ("tickers", "measured_mb"), [(20, 768), (100, 1009), (300, 1185), (1000, 1572)]
)
def test_what_a_worker_is_said_to_take_is_what_one_took_and_a_margin(tickers, measured_mb):
    panel = SimpleNamespace(sessions=range(2500), tickers=range(tickers))
    said_mb = memory.worker_bytes(Settings(), panel) / 1e6
    assert measured_mb < said_mb < 1.4 * measured_mb


@pytest.mark.parametrize(
    "larger", [{"units": 2000}, {"batch_size": 9000}, {"lookback": 4000}, {"seeds": 100}]
)
def test_the_estimate_grows_with_whatever_is_larger(make_panel, larger):
    panel = make_panel()
    one, other = (memory.needed_bytes(Settings(**k), panel) for k in ({}, larger))
    assert other > one


def test_five_thousand_tickers_fit_where_their_panel_is_mapped_and_some_are_scored():
    def gigabytes(tickers):
        panel = SimpleNamespace(sessions=range(2500), tickers=range(tickers))
        return memory.needed_bytes(Settings(cell=("lstm",)), panel) / GB

    assert gigabytes(20) < gigabytes(500) < gigabytes(5000) < 4
    assert memory.MOST_ORIGINS == walking.MOST_ORIGINS
    assert memory.FORECAST_BATCH == fitting.FORECAST_BATCH
    assert memory.BLOCK == features.BLOCK


def test_the_command_tells_it_before_anything_is_written(free, tmp_path, capsys):
    free(total=0)
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--processes", "3", "--runs-dir", str(tmp_path / "runs")])
    assert stopped.value.code == 2
    assert "0.0 GB are free: 2 processes of 1.0 GB each, " in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


LIMITED = """
import resource, sys
sys.argv = ["forecast", "train"]
from forecast.cli import main
import forecast.jobs.starting, forecast.jobs.terminal
from pathlib import Path
taken = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (taken + 2**29, taken + 2**29))
main(["train", "--quiet"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_shell_that_really_allows_little_gets_the_message_instead_of_a_crash(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        capture_output=True, text=True, cwd=tmp_path, check=False,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "this training needs about 1." in done.stderr
    assert "0.5 GB are free" in done.stderr or "0.4 GB are free" in done.stderr
    assert not list(tmp_path.iterdir())
