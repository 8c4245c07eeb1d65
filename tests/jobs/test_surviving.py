"""Runs that are stopped, starved, locked out or repeated, from the command line."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.jobs import training
from forecast.jobs.sameness import compare_runs
from forecast.locks import alone_in
from forecast.training.batches import TrainingBatches
from forecast.training.diverging import FiniteGuard

TINY = ["--tickers", "AAPL", "--start", "2005-01-03", "--end", "2006-10-31", "--cell", "gru"]
TINY += ["--units", "2", "--epochs", "2", "--steps-per-epoch", "2", "--lookback", "24"]
TINY += ["--horizon", "5", "--batch-size", "8", "--telemetry", "off", "--no-report"]


@pytest.fixture(autouse=True)
def few(few_baselines):
    """Only the baselines that cost nothing."""
    with few_baselines():
        yield


@pytest.fixture
def call(capsys, monkeypatch):
    """Run a command that ends with a certain code; return what it printed and what went wrong."""

    def run(code, *arguments):
        monkeypatch.setattr("sys.argv", ["forecast", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        assert stopped.value.code == code, said.err
        assert code in (0, 1) or said.err.count("\n") == 1
        return said

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory, few_baselines):
    """A run that is whole; it is copied, never touched."""
    folder = tmp_path_factory.mktemp("whole")
    with few_baselines(), pytest.raises(SystemExit) as stopped:
        main(["train", *TINY, "--quiet", "--name", "whole", "--runs-dir", str(folder)])
    assert stopped.value.code == 0
    return folder / "whole"


@pytest.fixture
def run(whole, tmp_path):
    """A copy of it in a folder of its own."""
    return Path(shutil.copytree(whole, tmp_path / "runs" / "whole"))


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_repeating_a_run_gives_the_same_bytes(run, call):
    said = call(0, "rerun", run, "--runs-dir", run.parent, "--name", "again").out
    assert "changed since" not in said
    again = run.parent / "again"
    assert said.splitlines()[-1] == str(again)
    count = len([*run.glob("*.parquet"), *run.glob("*.csv"), *run.glob("plots/*"), "json", "keras"])
    assert f"{count} of {count} files are the same" in said
    for name in ("forecasts.parquet", "log_returns.parquet", "fans.parquet", "scores.csv"):
        assert (run / name).read_bytes() == (again / name).read_bytes()
    first, second = (json.loads((f / "metrics.json").read_text()) for f in (run, again))
    for metrics in (first, second):
        for time in ("fit_seconds", "step_ms"):
            assert metrics["models"]["gru"].pop(time) > 0
    assert first == second


def test_what_differs_in_a_repeated_run_is_said_with_its_size_and_unit(run, call, monkeypatch):
    frame = pd.read_parquet(run / "forecasts.parquet")
    frame.loc[3, "gru-lo-90"] += 0.25
    frame.to_parquet(run / "forecasts.parquet", index=False)
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["versions"]["numpy"] = "1.0"
    manifest["data"]["sha256"] = "0" * 64
    (run / "manifest.json").write_text(json.dumps(manifest))
    (run / "risk.csv").unlink()
    kept = shutil.copytree(run, run.parent.parent / "kept")
    shutil.copy(run / "scores.csv", kept / "risk.csv")
    frame.loc[3, "gru-lo-90"] -= 0.25
    frame.to_parquet(kept / "forecasts.parquet", index=False)
    starts = []

    def trained(start, terminal):
        starts.append(start)
        return Path(shutil.copytree(kept, run.parent / start.name))

    monkeypatch.setattr(training, "train", trained)
    said = call(1, "rerun", run, "--runs-dir", run.parent, "--name", "again").out
    assert "  changed since: numpy was 1.0, is " in said
    assert (
        "  changed since: the prices from source bundled were 000000000000 (SHA-256), are" in said
    )
    assert said.index("changed since") < said.index("The same in")
    assert (
        "  differs: forecasts.parquet: largest difference 0.25 USD, adjusted, in gru-lo-90" in said
    )
    assert f"  differs: risk.csv: {run} has none" in said
    assert starts[0].settings.units == 2
    assert starts[0].resumed == []


def test_a_run_whose_prices_were_changed_is_not_repeated(run, call):
    with (run / "panel.parquet").open("ab") as file:
        file.write(b"0")
    said = call(2, "rerun", run, "--runs-dir", run.parent)
    assert "panel.parquet was changed since it was written" in said.err


def test_a_repeated_run_cannot_leave_its_folder(run, call):
    assert "--name: " in call(2, "rerun", run, "--name", "../x", "--runs-dir", run.parent).err


@pytest.mark.parametrize("walk", [[], ["--step", "3"]])
def test_a_second_process_is_kept_out_of_a_run_that_is_walked(run, call, walk):
    folder = run / "backtest" / "refit0-step3-embargo0-expanding" if walk else run
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        before = content(run)
        said = call(2, "backtest", run, *walk).err
        assert f"{folder} is in use by process {os.getpid()}: wait until it is done" in said
        assert content(run) == before


def test_walking_again_leaves_nothing_beside_the_files_of_the_run(run, call):
    before = content(run)
    (run / ".4242.scores.csv").write_text("half")  # of a process that was killed
    (run / ".partial").mkdir()
    said = call(0, "evaluate", run).out
    assert content(run) == before
    assert said.splitlines()[-1] == str(run)
    assert "Verdicts at 5 %" in said


def test_numbers_that_are_not_finite_end_a_training_with_code_3_and_keep_the_epoch_before(
    tmp_path, call, monkeypatch
):
    real = TrainingBatches.cut

    def spoiled(self, epoch, step):
        x, y, weight = real(self, epoch, step)
        return (x * np.nan if epoch == 2 else x), y, weight

    monkeypatch.setattr(TrainingBatches, "cut", spoiled)
    said = call(3, "train", *TINY, "--name", "bad", "--runs-dir", tmp_path).err
    assert said.startswith(
        "error: the loss became nan at step 1 of epoch 2; it began at step 1, in"
    )
    kept = tmp_path / ".bad.partial" / "checkpoint"
    assert f"The epochs before it are kept in {kept}." in said
    assert [p.name for p in kept.glob("*/*.state")] == ["epoch-00001.state"]
    assert [p.name for p in tmp_path.iterdir()] == [".bad.partial"]


def test_ctrl_c_ends_a_training_with_the_command_that_goes_on_and_that_goes_on(
    whole, tmp_path, call, monkeypatch
):
    real = FiniteGuard.on_epoch_begin

    def interrupted(self, epoch, logs=None):
        real(self, epoch, logs)
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)

    arguments = [*TINY, "--name", "cut", "--runs-dir", tmp_path]
    # a process started in the background, as a worker of the tests may be, ignores Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(FiniteGuard, "on_epoch_begin", interrupted)
            said = call(130, "train", *arguments).err
    finally:
        signal.signal(signal.SIGINT, before)
    command = f"forecast train --resume cut --runs-dir {tmp_path}"
    assert said == f"stopped: 1 epoch saved; go on with: {command}\n"
    assert "going on after epoch 1" in call(0, *command.split()[1:]).out
    assert compare_runs(whole, tmp_path / "cut")[1] == []
    said = call(2, *command.split()[1:]).err
    assert "the run cut is whole, there is nothing to go on with" in said


#: Runs commands in one process, each under a limit of bytes per file; prints how each ended.
UNDER = """
import io, json, os, resource, sys
from contextlib import redirect_stderr, redirect_stdout
from forecast.cli import main
from forecast.jobs import refitting, scoring, walking
for module in (walking, scoring, refitting):
    module.BASELINES = {name: module.BASELINES[name] for name in ("ewma-t", "drift")}
ends = []
for limit, arguments in json.loads(sys.argv[1]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    wrong = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(wrong):
        try:
            main(arguments)
        except SystemExit as stopped:
            code = stopped.code
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    ends.append((code, wrong.getvalue()))
print(json.dumps(ends))
"""
NO_LIMIT = -1
#: Root may write everywhere unless this right is taken away.
LIKE_ANYONE = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []


def under(*commands):
    """Run (limit, arguments …); each must fail as bad input does. Return the messages."""
    listed = json.dumps([(limit, [str(a) for a in arguments]) for limit, arguments in commands])
    command = [*LIKE_ANYONE, sys.executable, "-c", UNDER, listed]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    ends = json.loads(done.stdout.splitlines()[-1])
    assert [(code, said.count("\n")) for code, said in ends] == [(2, 1)] * len(commands)
    return [said for _, said in ends]


@pytest.mark.skipif(bool(LIKE_ANYONE) and not shutil.which("setpriv"), reason="root, no setpriv")
def test_a_full_disk_or_a_read_only_folder_ends_with_one_line_and_nothing_half_written(
    run, tmp_path
):
    train, late = ["train", *TINY, "--runs-dir"], tmp_path / "late"
    before = content(run)
    run.chmod(0o555)
    said = under(
        (2_000, [*train, tmp_path / "early", "--name", "x"]),
        (60_000, [*train, late, "--name", "x"]),
        (NO_LIMIT, [*train, run, "--name", "x"]),
        (NO_LIMIT, ["evaluate", run]),
        (NO_LIMIT, ["backtest", run, "--step", "3"]),
        (NO_LIMIT, ["predict", run]),
        (NO_LIMIT, ["report", run]),
    )
    run.chmod(0o755)
    too_large = "x cannot be written: File too large; make room"
    assert f"{too_large}, or choose another --runs-dir" in said[0]
    assert not list((tmp_path / "early").iterdir())
    assert f"{too_large}, then go on with: forecast train --resume x --runs-dir {late}" in said[1]
    assert [p.name for p in late.iterdir()] == [".x.partial"]
    assert [p.name for p in (late / ".x.partial/checkpoint/gru-seed0").iterdir()]
    for message, remedy in zip(
        said[2:],
        ["another --runs-dir", "make it writable, or copy the run", "copy the run"]
        + ["choose another --out"] * 2,
        strict=True,
    ):
        assert "cannot be written: Permission denied; " in message
        assert message.endswith(f"{remedy}.\n")
    assert content(run) == before


def test_a_walk_under_a_limit_leaves_the_scores_that_were_there(run, call, monkeypatch):
    """The files take their places together: none does when the last cannot be written."""
    before = content(run)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("forecast.jobs.evaluating.write_fans", full)  # all scores are written
    said = call(2, "evaluate", run).err
    assert f"the run folder {run} cannot be written: No space left on device; make room" in said
    assert content(run) == before
