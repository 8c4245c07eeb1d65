"""A training on a folder of Parquet, from the command line: what it refuses, and going on."""

import errno
import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.jobs.sameness import compare_runs
from forecast.prices import garch_prices
from forecast.prices.parquet import write_partition
from forecast.training.diverging import FiniteGuard

TINY = ["--cell", "gru", "--units", "2", "--epochs", "2", "--steps-per-epoch", "2", "--lookback"]
TINY += ["24", "--horizon", "5", "--batch-size", "8", "--telemetry", "off", "--no-report"]


@pytest.fixture(autouse=True)
def few(few_baselines):
    """Only the baselines that cost nothing."""
    with few_baselines():
        yield


@pytest.fixture(scope="module")
def prices(tmp_path_factory):
    """Three tickers, 600 sessions; it is copied, never touched."""
    folder = tmp_path_factory.mktemp("prices")
    for ticker, of in garch_prices(3, 600, 3).groupby("unique_id"):
        write_partition(folder, str(ticker), of.set_index("ds"))
    return folder


@pytest.fixture
def folder(prices, tmp_path):
    return shutil.copytree(prices, tmp_path / "prices")


@pytest.fixture
def call(capsys, tmp_path):
    """Run a command that ends with a certain code; return what it printed and what went wrong."""

    def run(code, *arguments):
        with pytest.raises(SystemExit) as stopped:
            main([*map(str, arguments), "--runs-dir", str(tmp_path / "runs")])
        said = capsys.readouterr()
        assert stopped.value.code == code, said.err
        assert code == 0 or said.err.count("\n") == 1
        return said

    return run


def file(folder, ticker="S01"):
    return folder / f"unique_id={ticker}" / "prices.parquet"


def rewrite(path, change):
    change(pd.read_parquet(path)).to_parquet(path, index=False)


def other_schema(folder):
    rewrite(file(folder), lambda rows: rows.drop(columns="high"))


def in_two_folders(folder):
    shutil.copytree(file(folder).parent, folder / "unique_id=%5301")


def in_two_files(folder):
    shutil.copy(file(folder), file(folder).with_name("other.parquet"))
    rewrite(file(folder), lambda rows: rows.assign(close=rows["close"] * 1.01))


def equal_but_for_case(folder):
    shutil.copytree(file(folder).parent, folder / "unique_id=s01")


def of_another_ticker(folder):
    for ticker in ("S00", "S01", "S02"):
        name = "S02" if ticker == "S01" else ticker
        rewrite(file(folder, ticker), lambda rows, name=name: rows.assign(unique_id=name))


def no_parquet(folder):
    file(folder).write_text("ds,close\n")


def cut_off(folder):
    file(folder).write_bytes(file(folder).read_bytes()[:-200])


def worn(folder):
    raw = bytearray(file(folder).read_bytes())
    raw[len(raw) // 3] ^= 0xFF
    file(folder).write_bytes(raw)


def emptied(folder):
    for ticker in ("S00", "S01", "S02"):
        shutil.rmtree(folder / f"unique_id={ticker}")


def no_rows(folder):
    for ticker in ("S00", "S01", "S02"):
        rewrite(file(folder, ticker), lambda rows: rows.iloc[:0])


def no_table(folder):
    file(folder).unlink()
    file(folder).mkdir()


def short(folder):
    for ticker in ("S00", "S01", "S02"):
        rewrite(file(folder, ticker), lambda rows: rows.iloc[-100:])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (other_schema, r"S01/prices.parquet has another schema than .*S00.*; write it again"),
        (in_two_folders, r"has S01 twice, in unique_id=%5301 and unique_id=S01: keep one"),
        (in_two_files, r"S01 2010-01-04: 2 rows with different close .* for one date; keep one"),
        (equal_but_for_case, r"'S01' and 's01' differ in case only .*: rename one"),
        (of_another_ticker, r"S01/prices.parquet holds rows of S02, expected S01 alone.*: move"),
        (no_parquet, r"S01/prices.parquet is no Parquet file \(.*\): write it again"),
        (cut_off, r"S01/prices.parquet is no Parquet file \(.*\): write it again"),
        (worn, r"S01/prices.parquet cannot be read \(.*(CRC|crc|checksum).*\): write it again"),
        (no_table, r"S01/prices.parquet is no Parquet file \(.*\): write it again"),
        (emptied, r"prices holds no folder like unique_id=AAPL with Parquet files in it: expected"),
        (no_rows, r"No session of S00, S01, S02 from the beginning to the end"),
        (short, r"S00 has 100 sessions; lookback 24 \+ horizon 5 \+ 250 training sessions need"),
    ],
)
def test_what_is_wrong_with_a_folder_is_told_in_one_line(folder, call, spoil, said, tmp_path):
    spoil(folder)
    error = call(2, "train", "--source", "parquet", "--path", folder, *TINY).err
    assert re.search(said, error), error
    assert not (tmp_path / "runs").exists()


def test_a_disk_without_room_for_the_panel_is_told_before_anything_is_written(
    folder, call, monkeypatch, tmp_path
):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("forecast.prices.mapped.LARGE", 0)
    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setenv("FORECAST_CACHE_DIR", str(tmp_path / "cache"))
    error = call(2, "train", "--source", "parquet", "--path", folder, *TINY).err
    assert f"{tmp_path}/cache has no room for 0 MB (No space left on device): make room" in error
    assert not (tmp_path / "runs").exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_that_may_not_be_read_is_told(folder, call, monkeypatch):
    def refused(path):  # the one who runs the tests may be allowed everything
        if path.name == "unique_id=S01":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    real = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", refused)
    error = call(2, "train", "--source", "parquet", "--path", folder, *TINY).err
    assert error == (
        f"error: {folder}/unique_id=S01 cannot be read (Permission denied): it must be there, and "
        "yours to read, with all that is in it.\n"
    )


def test_a_training_on_a_mapped_panel_that_was_stopped_goes_on_and_ends_alike(
    folder, call, monkeypatch, tmp_path
):
    monkeypatch.setattr("forecast.prices.mapped.LARGE", 0)
    monkeypatch.setenv("FORECAST_CACHE_DIR", str(tmp_path / "cache"))
    train = ["train", "--source", "parquet", "--path", folder, *TINY]
    call(0, *train, "--name", "whole")
    real = FiniteGuard.on_epoch_begin

    def interrupted(self, epoch, logs=None):
        real(self, epoch, logs)
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(FiniteGuard, "on_epoch_begin", interrupted)
            assert "stopped: 1 epoch saved" in call(130, *train, "--name", "cut").err
    finally:
        signal.signal(signal.SIGINT, before)
    shutil.rmtree(folder)  # the training has its own copy
    (copy,) = (tmp_path / "runs").rglob("checkpoint/panel.parquet")
    true = copy.read_bytes()
    rewrite(copy, lambda rows: rows.assign(adj_close=rows["adj_close"] * np.float32(1.01)))
    error = call(2, "train", "--resume", "cut").err
    assert "panel.parquet" in error
    assert "changed" in error
    copy.write_bytes(true)
    assert "going on after epoch 1" in call(0, "train", "--resume", "cut").out
    assert compare_runs(tmp_path / "runs" / "whole", tmp_path / "runs" / "cut")[1] == []
    panel = pd.read_parquet(tmp_path / "runs" / "cut" / "panel.parquet")
    assert panel["close"].dtype == np.float32
    data = json.loads((tmp_path / "runs" / "cut" / "manifest.json").read_text())["data"]
    assert data["tickers"] == ["S00", "S01", "S02"]
