import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.ledger import APPLICATION, SCHEMA, open_ledger, pack, unpack

QUANTILES = np.linspace(-0.05, 0.05, 99, dtype=np.float32)


def forecast_row(ticker="AAA", cutoff="2026-01-05", h=1, model="lstm", **changed):
    return {
        "unique_id": ticker, "cutoff": cutoff, "h": h, "model": model, "ds": "2026-01-06",
        "last_value": 100.0, "scale": "log", "quantiles": pack(QUANTILES), "model_sha256": "m",
        "data_sha256": "d", "made_at": "2026-01-05T22:00:00+00:00", "caught_up": 0, **changed,
    }  # fmt: skip


def score_row(**changed):
    return {
        "unique_id": "AAA", "cutoff": "2026-01-05", "h": 1, "model": "lstm", "log_return": 0.01,
        "crps": 0.002, "pit": 0.6, "data_sha256": "d", "scored_at": "2026-01-06T22:00:00+00:00",
        **changed,
    }  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


def test_what_is_appended_is_read_back_bit_for_bit(path):
    with open_ledger(path) as ledger:
        assert ledger.append(forecasts=[forecast_row(), forecast_row(h=5)]) == 2
    with open_ledger(path, read_only=True) as ledger:
        frame = ledger.forecasts()
    assert list(frame["h"]) == [1, 5]
    assert frame["cutoff"].iloc[0] == pd.Timestamp("2026-01-05")
    assert not frame["caught_up"].any()
    np.testing.assert_array_equal(unpack(frame["quantiles"].to_list()), [QUANTILES, QUANTILES])


def test_a_row_that_is_there_is_passed_over_and_stays_as_it_was(path):
    with open_ledger(path) as ledger:
        ledger.append(forecasts=[forecast_row()])
        assert ledger.append(forecasts=[forecast_row(last_value=7.0), forecast_row(h=5)]) == 1
        assert list(ledger.forecasts()["last_value"]) == [100.0, 100.0]


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM forecasts", "UPDATE forecasts SET last_value = 7"],
)
def test_no_row_can_be_changed_or_removed(path, statement):
    with open_ledger(path) as ledger:
        ledger.append(forecasts=[forecast_row()])
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        connection.execute(statement)
    connection.execute("INSERT OR REPLACE INTO forecasts SELECT * FROM forecasts")
    assert connection.execute("SELECT last_value FROM forecasts").fetchall() == [(100.0,)]
    connection.close()


def test_replacing_a_row_leaves_the_old_one(path):
    with open_ledger(path) as ledger:
        ledger.append(scores=[score_row()])
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "INSERT OR REPLACE INTO scores SELECT unique_id, cutoff, h, model, 9.0, 9.0, 0.5, "
            "data_sha256, scored_at FROM scores"
        )
    assert connection.execute("SELECT crps FROM scores").fetchall() == [(0.002,)]
    connection.close()


def test_forecasts_are_due_until_they_are_scored(path):
    with open_ledger(path) as ledger:
        ledger.append(forecasts=[forecast_row(), forecast_row(h=5, ds="2026-01-12")])
        assert list(ledger.due(pd.Timestamp("2026-01-06"))["h"]) == [1]
        ledger.append(scores=[score_row()])
        assert ledger.due(pd.Timestamp("2026-01-06")).empty
        assert list(ledger.due(pd.Timestamp("2026-02-01"))["h"]) == [5]
        scores = ledger.scores()
    assert scores["ds"].iloc[0] == pd.Timestamp("2026-01-06")
    assert scores["made_at"].iloc[0] == "2026-01-05T22:00:00+00:00"


def test_an_error_in_the_middle_of_an_append_leaves_nothing_of_it(path):
    with open_ledger(path) as ledger:
        with pytest.raises(KeyError):
            ledger.append(forecasts=[forecast_row(), {"unique_id": "AAA"}])
        assert ledger.forecasts().empty
        assert ledger.append(forecasts=[forecast_row()]) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from forecast.ledger import open_ledger
sys.path.insert(0, {tests!r})
from test_ledger import forecast_row

def rows():
    for k in range(5000):
        if k == 4000:
            os.kill(os.getpid(), signal.SIGKILL)
        yield forecast_row(ticker=f"T{{k}}", data_sha256="x" * 2000)

with open_ledger(Path({path!r})) as ledger:
    ledger._connection.execute("PRAGMA cache_size = 10")  # pages go to the file before the commit
    ledger.append(forecasts=[forecast_row()])
    ledger.append(forecasts=rows())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill on this system")
def test_a_process_killed_in_the_middle_of_an_append_leaves_nothing_of_it(path):
    code = KILLED.format(tests=os.path.dirname(__file__), path=str(path))  # noqa: PTH120
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.with_name(path.name + "-journal").exists()
    with open_ledger(path, read_only=True) as ledger:
        assert list(ledger.forecasts()["unique_id"]) == ["AAA"]
    with open_ledger(path) as ledger:
        assert ledger.append(forecasts=[forecast_row(), forecast_row(h=5)]) == 1


WRITER = """
import sys
from pathlib import Path
from forecast.ledger import open_ledger
sys.path.insert(0, {tests!r})
from test_ledger import forecast_row

new = 0
for k in range(30):
    with open_ledger(Path({path!r})) as ledger:
        new += ledger.append(forecasts=[forecast_row(ticker=f"T{{k}}", h=h) for h in range(20)])
print(new)
"""


def test_two_writers_at_once_write_every_row_once(path):
    code = WRITER.format(tests=os.path.dirname(__file__), path=str(path))  # noqa: PTH120
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    counts = [int(one.communicate()[0]) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sum(counts) == 600
    with open_ledger(path, read_only=True) as ledger:
        assert len(ledger.forecasts()) == 600


def test_a_locked_ledger_is_told(path):
    with open_ledger(path) as ledger:
        ledger.append(forecasts=[forecast_row()])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with (
        pytest.raises(InputError, match="is locked by another process: wait until it is done"),
        open_ledger(path, patience_seconds=0.1) as ledger,
    ):
        ledger.append(forecasts=[forecast_row(h=2)])
    other.execute("ROLLBACK")
    other.close()


def test_a_ledger_of_a_newer_version_is_told_and_left_alone(path):
    with open_ledger(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    before = path.read_bytes()
    for read_only in (False, True):
        with (
            pytest.raises(InputError, match=r"written by a newer version of forecast .* update"),
            open_ledger(path, read_only),
        ):
            pass
    assert path.read_bytes() == before


def test_what_is_no_ledger_is_told(path):
    path.write_text("unique_id,cutoff\n" * 100)
    with pytest.raises(InputError, match="is no ledger or is damaged"), open_ledger(path):
        pass
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(InputError, match="no ledger of forecast: choose"), open_ledger(path):
        pass


def test_a_missing_ledger_is_told_to_who_only_reads(path):
    with (
        pytest.raises(InputError, match=r"there is no ledger at .*forecast daily begins one"),
        open_ledger(path, read_only=True),
    ):
        pass
    assert not path.exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with (
        pytest.raises(InputError, match="cannot be used"),
        open_ledger(tmp_path / "taken" / "ledger.sqlite"),
    ):
        pass


def test_a_ledger_is_marked_as_one(path):
    with open_ledger(path):
        pass
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
    connection.close()


def test_the_newest_entry_is_that_of_any_table(path):
    with open_ledger(path) as ledger:
        assert ledger.newest_entry() is None
        ledger.append(forecasts=[forecast_row()], scores=[score_row()])
        assert ledger.newest_entry() == pd.Timestamp("2026-01-06T22:00Z")
