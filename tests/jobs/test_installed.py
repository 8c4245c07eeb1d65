"""A TensorFlow that is missing, too old or broken, a GPU that does not work: one clear message."""

import gc
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tensorflow as tf

from forecast.cli import main
from forecast.errors import InputError
from forecast.jobs import installed
from forecast.jobs.terminal import startup_notes_hidden
from forecast.training import devices

ROOT = Path(__file__).parents[2]


def test_the_versions_needed_are_those_that_are_installed_with_the_project():
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for name, oldest in installed.NEEDED.items():
        assert f"{name}>={oldest}" in asked


def test_what_is_installed_here_will_do():
    installed.check_installed()


@pytest.mark.parametrize("name", ["tensorflow", "keras"])
def test_a_library_that_is_missing_is_told_with_the_command_that_installs_it(monkeypatch, name):
    monkeypatch.setattr(installed, "find_spec", lambda asked: None if asked == name else 1)
    with pytest.raises(InputError, match=rf'{name} is not installed.*upgrade "{name}>=\d'):
        installed.check_installed()


@pytest.mark.parametrize(
    ("name", "found"), [("tensorflow", "2.20.1"), ("tensorflow", "2.9"), ("keras", "3.15.0")]
)
def test_a_library_that_is_too_old_is_told_with_both_versions(monkeypatch, name, found):
    real = installed.version
    monkeypatch.setattr(installed, "version", lambda n: found if n == name else real(n))
    with pytest.raises(InputError, match=rf"{name} {found} is too old, expected .* or newer: pip"):
        installed.check_installed()


@pytest.mark.parametrize("found", ["2.21.0", "2.21", "2.100.0rc1", "3.0"])
def test_newer_versions_and_other_packages_of_tensorflow_are_taken(monkeypatch, found):
    def version(name):
        if name == "tensorflow":
            raise installed.PackageNotFoundError
        return found if name == "tensorflow-cpu" else "3.15.1"

    monkeypatch.setattr(installed, "version", version)
    installed.check_installed()


def test_the_command_ends_with_one_line_where_tensorflow_is_missing(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(installed, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--quiet", "--runs-dir", str(tmp_path / "runs")])
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.startswith("error: tensorflow is not installed, and networks need it: pip install")
    assert said.count("\n") == 1


BROKEN = """
import sys
sys.argv = "forecast predict --pretrained --source bundled --runtime tensorflow".split()
from forecast.cli import main
main()
"""


def test_a_tensorflow_that_does_not_load_is_told_in_a_process_of_its_own(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise ImportError('libX.so is missing')")
    done = subprocess.run(
        [sys.executable, "-c", BROKEN], capture_output=True, text=True, cwd=tmp_path, check=False,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "does not load (libX.so is missing): install it again" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_error_of_our_own_passes_while_libraries_load():
    with pytest.raises(InputError, match="mine"), startup_notes_hidden():
        raise InputError("mine")


def test_nobody_looks_for_garbage_while_tensorflow_loads(monkeypatch):
    with startup_notes_hidden():
        assert gc.isenabled()  # it is there already
    monkeypatch.delitem(sys.modules, "tensorflow")
    gc.unfreeze()
    with startup_notes_hidden():
        assert not gc.isenabled()
        assert gc.get_freeze_count() == 0
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


@pytest.fixture
def gpu(monkeypatch):
    """A machine whose GPU answers a trial with this; returns what was hidden."""
    hidden = []

    def say(found):
        devices.leave_out_broken_gpu.cache_clear()
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
        monkeypatch.setattr(tf.config, "set_visible_devices", lambda *what: hidden.append(what))
        monkeypatch.setattr(devices, "try_gpu", lambda command: found)
        return devices.leave_out_broken_gpu()

    yield say, hidden
    devices.leave_out_broken_gpu.cache_clear()


def test_a_gpu_that_does_not_work_is_left_out_and_said(gpu):
    say, hidden = gpu
    assert say("CUDA_ERROR_NO_DEVICE") == (
        "there is a GPU, and it cannot be used (CUDA_ERROR_NO_DEVICE): working on the CPU"
    )
    assert hidden == [([], "GPU")]


def test_a_gpu_that_works_is_used(gpu):
    say, hidden = gpu
    assert say("") == ""
    assert hidden == []


def test_without_a_gpu_nothing_is_tried(monkeypatch):
    devices.leave_out_broken_gpu.cache_clear()
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(devices, "try_gpu", lambda command: pytest.fail("tried"))
    assert devices.leave_out_broken_gpu() == ""
    devices.leave_out_broken_gpu.cache_clear()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("print(1)", ""),
        ("raise SystemError('CUDA_ERROR')", "SystemError: CUDA_ERROR"),
        ("import os; os.abort()", "exit code -6"),
        ("import time; time.sleep(60)", "no answer within 1 s"),
    ],
)
def test_a_trial_says_what_went_wrong(code, why):
    assert devices.try_gpu([sys.executable, "-c", code], 1 if "sleep" in code else 60) == why
