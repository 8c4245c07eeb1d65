"""A short version of the campaign of kills; `scripts/torture.py` runs it at length."""

import json
import signal
import subprocess
import sys

import pytest

from forecast.torture import kills
from forecast.torture.kills import Event

SMALL = {"--cell": "simple-rnn", "--units": "2", "--seeds": "1", "--epochs": "2"}
#: The script that trains, with the baselines alone that cost nothing.
TRAIN = """
import sys
from forecast.cli import main
from forecast.models import baselines
baselines.BASELINES = {name: baselines.BASELINES[name] for name in ("ewma-t", "drift")}
main(["train", *sys.argv[1:]])
"""


def test_a_training_that_is_killed_in_an_epoch_ends_as_one_that_is_not(monkeypatch, tmp_path):
    (tmp_path / "train.py").write_text(TRAIN)
    monkeypatch.setattr(kills, "SCRIPTS", tmp_path)
    command = list(kills.TRAIN)
    for flag, value in SMALL.items():
        command[command.index(flag) + 1] = value
    monkeypatch.setattr(kills, "TRAIN", (*command, "--telemetry", "off"))
    said = []
    counts = kills.run(1, 0, said.append)
    assert str(counts) == "kills 1, resumed identical 1", counts.faults
    assert counts.by == {"inside an epoch": 1}
    assert said[-1].endswith("resumed identical")


SCRIPT = """
from pathlib import Path
Path("runs").mkdir()
for name in "abc":
    Path("runs", name).write_text(name)
Path("runs/a").rename("runs/d")
"""


@pytest.fixture
def trapped(tmp_path):
    """Run a small script with a trap; return its exit code and the files there are then."""
    (tmp_path / "script.py").write_text(SCRIPT)

    def run(**plan):
        command = [sys.executable, "-m", "forecast.torture.trap", json.dumps(plan), "script.py"]
        done = subprocess.run(command, cwd=tmp_path, check=False)
        return done.returncode, {p.name for p in tmp_path.glob("runs/*")}

    return run


def test_a_trap_notes_every_event_in_the_folder_of_the_runs(trapped, tmp_path):
    assert trapped(note="events.json") == (0, {"b", "c", "d"})
    events = [Event(*each) for each in json.loads((tmp_path / "events.json").read_text())]
    assert [(e.name, e.path) for e in events] == [
        *(("open", name) for name in "abc"),
        ("os.rename", "d"),
    ]
    assert events == sorted(events, key=lambda event: event.at)


@pytest.mark.parametrize(("event", "left"), [(0, ""), (2, "ab"), (3, "abc")])
def test_a_trap_kills_before_the_event_of_its_number_is_done(trapped, event, left):
    assert trapped(event=event, delay_s=0) == (-signal.SIGKILL, set(left))


def test_a_trap_whose_event_never_comes_lets_the_script_end(trapped):
    assert trapped(event=99, delay_s=0)[0] == 0


def events(*paths):
    """Events a second apart; a path with > in front is renamed to, any other opened."""
    named = [("os.rename" if p[0] == ">" else "open", p.lstrip(">")) for p in paths]
    return [Event(name, path, float(k)) for k, (name, path) in enumerate(named)]


def test_the_moments_of_a_training_are_told_apart():
    draft = ".killed.partial"
    noted = events(
        f">{draft}/checkpoint/start.json",
        *(f"{draft}/checkpoint/a/.pid.epoch-1.state", f">{draft}/checkpoint/a/epoch-1.state"),
        *(f"{draft}/checkpoint/a/.pid.finished.state", f">{draft}/checkpoint/a/finished.state"),
        *(f"{draft}/checkpoint/b/.pid.epoch-1.state", f">{draft}/checkpoint/b/epoch-1.state"),
        f"{draft}/models/a.keras",
        *(f">{draft}/manifest.json", f"{draft}/forecasts.parquet", ">killed", "killed/.lock"),
    )
    found = {}
    for kind, event, gap in kills.training_kinds(noted):
        found.setdefault(kind, []).append((event, gap))
    assert found == {
        "inside an epoch": [(0, 1.0)],
        "after the last epoch": [(2, 1.0)],
        "between seeds": [(4, 1.0)],
        "saving an epoch": [(k, 0.0) for k in range(1, 7)],
        "walking forward": [(8, 1.0)],
        "writing the run": [(7, 0.0), (8, 0.0), (9, 0.0)],
        "finishing the run": [(10, 0.0), (11, 0.0)],
    }


def test_what_a_kill_left_behind_is_found(tmp_path):
    for name in ("killed/.partial", "killed/plots", "killed/checkpoint"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("killed/plots/a.png", "killed/.123.scores.csv", ".killed.partial"):
        (tmp_path / name).write_text("")
    assert sorted(kills.leftovers(tmp_path)) == [
        ".killed.partial was left behind",
        "killed/.123.scores.csv was left behind",
        "killed/.partial was left behind",
        "killed/checkpoint was left behind",
    ]
