"""Networks of a training on an engine, and what a command says of one that cannot be used."""

import socket
import sys

import numpy as np
import pytest

from forecast.cli import main
from forecast.drafts import CHECKPOINT
from forecast.engine import Here
from forecast.jobs.networks import train_networks
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.settings import Settings
from forecast.windows import make_splits

SMALL = {"units": 2, "epochs": 3, "steps_per_epoch": 2, "lookback": 16, "horizon": 5}
SETTINGS = Settings(**SMALL, cell=("gru",), seeds=2, telemetry="off")


class Elsewhere:
    """Works in this process as if it were on another machine; `told` has the units it was given."""

    apart, processes, shares_files = True, 2, False

    def __init__(self):
        self.told = []

    def run(self, work, units, shared, name):
        assert shared.draft is None
        self.told += units
        yield from reversed([(number, work(shared, unit)) for number, unit in enumerate(units)])


class Stopped(Terminal):
    """Is stopped when the second network says its second epoch."""

    def line(self, text):
        super().line(text)
        self.epochs = getattr(self, "epochs", 0) + text.startswith("  epoch   2")
        if self.epochs == 2:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def prepared(make_panel):
    panel = make_panel(tickers=1, sessions=520)
    return Prepared(panel, make_splits(panel, SETTINGS), [])


@pytest.fixture(scope="module")
def train(prepared, tmp_path_factory):
    """Return a function that trains in a draft on an engine."""

    def call(name, engine, terminal=None):
        draft = tmp_path_factory.getbasetemp() / name
        (draft / CHECKPOINT).mkdir(parents=True, exist_ok=True)
        made = train_networks(SETTINGS, prepared, terminal or Terminal(True), draft, engine)
        return [
            ([np.asarray(each) for each in n.network_.variables], n.history_["loss"], n.seed)
            for n in made["gru"]
        ]

    return call


def test_a_training_that_was_stopped_here_goes_on_elsewhere_and_ends_the_same(train):
    whole = train("whole", Here())
    with pytest.raises(KeyboardInterrupt):
        train("stopped", Here(), Stopped(True))
    engine = Elsewhere()
    again = train("stopped", engine)
    assert [(unit.seed, sorted(unit.saved)) for unit in engine.told] == [(1, ["epoch-00001.state"])]
    for (weights, losses, seed), (others, theirs, other) in zip(whole, again, strict=True):
        assert seed == other
        for one, two in zip(weights, others, strict=True):
            np.testing.assert_array_equal(one, two)
        assert losses.equals(theirs)


def fail(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    return said


@pytest.mark.parametrize("command", ["train", "tune"])
def test_a_cluster_that_is_not_there_is_one_line_and_leaves_nothing(command, tmp_path, capsys):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        runs = tmp_path / "runs"
        asked = [command, "--engine", "ray", "--address", address, "--runs-dir", str(runs)]
        said = fail(asked, capsys)
    assert f"error: there is no Ray cluster at {address} that this machine can join" in said
    assert [path for path in runs.glob("*") if "partial" in path.name] == []


def test_without_ray_a_command_names_the_extra(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    said = fail(["train", "--engine", "ray", "--runs-dir", str(tmp_path)], capsys)
    assert 'pip install "forecast[ray]"' in said


def test_an_address_without_ray_is_told(capsys):
    said = fail(["train", "--address", "127.0.0.1:6379"], capsys)
    assert "--address goes with --engine ray, not with --engine local" in said
