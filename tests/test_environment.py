"""A machine that is not as one would like: ASCII, no home, odd paths, no network, no reader."""

import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from forecast.cli import streams
from forecast.cli.streams import HUNG_UP

ROOT = Path(__file__).parents[1]
# What a program may not do in these tests: it is told by the interpreter itself.
GUARDED = """
import sys

def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"the network was touched: {event} {arguments}")
    if event == "pickle.find_class" and arguments[0].split(".")[0] in ("os", "forecast"):
        raise SystemExit(f"something was unpickled: {arguments}")
    if event == "import" and arguments[0] in ("yfinance", "curl_cffi"):
        raise SystemExit(f"a library of the network was imported: {arguments[0]}")

sys.addaudithook(guard)
from forecast.models import baselines
few = {name: baselines.BASELINES[name] for name in ("ewma-t", "drift")}  # others take their time
baselines.BASELINES = few
from forecast.cli import main
main()
"""
HARSH = {
    "PYTHONPATH": str(ROOT),
    "LC_ALL": "C",
    "PYTHONIOENCODING": "ascii",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "HOME": "/dev/null/home",
    "XDG_CACHE_HOME": "/dev/null/cache",
    "KERAS_BACKEND": "jax",
    "PATH": os.environ["PATH"],
    "CUDA_VISIBLE_DEVICES": "0",
}
SMALL = ["--cell", "simple-rnn", "--units", "2", "--epochs", "1", "--steps-per-epoch", "2"]
SMALL += ["--lookback", "24", "--batch-size", "8", "--horizon", "1", "--start", "2011-03-01"]


def run(folder, *arguments, **environment):
    """Run a command in a process that may neither reach the network nor unpickle anything."""
    return subprocess.run(
        [sys.executable, "-c", GUARDED, *arguments],
        env=HARSH | environment, cwd=folder, capture_output=True, check=False, timeout=500,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A path with a space, an umlaut and a sign beyond the first plane."""
    path = tmp_path_factory.mktemp("odd") / "Süß & \U0001f680 runs"
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def trained(folder):
    """A training where everything is odd; it must not notice."""
    return run(folder, "train", "--tickers", "AAPL", *SMALL, "--name", "x")


def test_a_training_needs_no_network_no_home_no_unicode_and_no_plain_path(folder, trained):
    assert trained.returncode == 0, trained.stderr.decode()
    assert trained.stderr == b""
    assert trained.stdout.isascii()
    assert b"Traceback" not in trained.stdout
    assert trained.stdout.splitlines()[-1] == b"runs/x"
    assert (folder / "runs" / "x" / "report.html").stat().st_size > 100_000


def test_a_forecast_and_a_check_do_not_either(folder, trained):
    done = run(folder, "predict", "x", "--tickers", "AAPL")
    assert (done.returncode, done.stderr) == (0, b"")
    done = run(folder, "check")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"(x0.481); taken as real" in done.stdout  # the × of other terminals


def test_bad_input_is_told_in_ascii_too(folder):
    done = run(folder, "check", str(folder / "Größe.csv"))
    assert done.returncode == 2
    assert done.stderr.isascii()
    assert done.stderr.startswith(b"error: There is no file ")
    assert done.stderr.count(b"\n") == 1


def test_a_file_whose_name_is_no_text_is_read_and_its_name_shown(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.csv"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"Date,Close\n2023-01-03,1\n2023-01-04,2\n")
    done = run(tmp_path, "check", path, LC_ALL="C.utf8", PYTHONIOENCODING="utf-8")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: The series name '\\udcff' cannot be used")


def test_nobody_reading_ends_a_command_silently(folder):
    for arguments, code in ((["check"], HUNG_UP), (["--help"], 1)):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [sys.executable, "-c", GUARDED, *arguments],
            env=HARSH, cwd=folder, stdout=writer, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        os.close(writer)
        assert done.stderr == b""
        assert done.returncode == code


def test_what_an_encoding_lacks_is_written_as_well_as_it_can(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    streams.take_every_text()
    print("78e-4 × √20 … ‘ü’ \ud800", flush=True)
    assert raw.getvalue() == b"78e-4 x sqrt 20 ... '\\xfc' \\ud800\n"


#: Sends calls to the workers of one's own cluster, as Ray does itself; it reads no file.
WIRE = ROOT / "forecast" / "engine" / "tasks.py"
PICKLES = {"pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib.load"}
#: Calls that run what they read.
RUNNING = {"eval", "exec", "read_pickle", "to_pickle", "unsafe_load", "full_load"}


@pytest.mark.parametrize("folder_name", ["forecast", "scripts"])
def test_nothing_of_ours_pickles_evaluates_or_loads_unsafely(folder_name):
    for path in (ROOT / folder_name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None), *(alias.name for alias in node.names)]
                assert path == WIRE or not PICKLES & set(names), where
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else None
                name = node.func.id if isinstance(node.func, ast.Name) else name
                assert name not in RUNNING, where
                flags = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
                assert not flags.get("allow_pickle"), where
                assert flags.get("safe_mode", True), where
                if name == "load" and getattr(getattr(node.func, "value", None), "id", "") == "np":
                    assert flags.get("allow_pickle") is False, where
