"""Networks of a training on an engine, and what a command says of one that cannot be used."""

import io
import shutil
import socket
import sys

import numpy as np
import pytest
from rich.console import Console

from forecast.cli import main
from forecast.drafts import CHECKPOINT
from forecast.engine import Here
from forecast.errors import InputError
from forecast.jobs.networks import train_networks
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.settings import Settings
from forecast.training import preparing
from forecast.training.outcome import OUTCOME
from forecast.windows import make_splits

SMALL = {"units": 2, "epochs": 3, "steps_per_epoch": 2, "lookback": 16, "horizon": 5}
SETTINGS = Settings(**SMALL, cell=("gru",), seeds=2, telemetry="off")


class Elsewhere:
    """Works in this process as if it were on another machine; `told` has the units it was given.

    `then` is called when all of them are done, before the first is handed back.
    """

    apart, processes, shares_files = True, 2, False

    def __init__(self, then=lambda: None):
        self.told, self.then = [], then

    def run(self, work, units, shared, name):
        assert shared.draft is None
        self.told += units
        done = [(number, work(shared, unit)) for number, unit in enumerate(units)]
        self.then()
        yield from reversed(done)


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
def drafts(tmp_path_factory):
    return tmp_path_factory.mktemp("drafts")


@pytest.fixture(scope="module")
def train(prepared, drafts):
    """Return a function that trains in a draft on an engine."""

    def call(name, engine, terminal=None, prices=prepared):
        draft = drafts / name
        (draft / CHECKPOINT).mkdir(parents=True, exist_ok=True)
        made = train_networks(SETTINGS, prices, terminal or Terminal(True), draft, engine)
        return [
            ([np.asarray(each) for each in n.network_.variables], n.history_["loss"], n.seed)
            for n in made["gru"]
        ]

    return call


@pytest.fixture(scope="module")
def whole(train):
    """A training that nothing disturbed."""
    return train("whole", Here())


@pytest.fixture
def looks(monkeypatch):
    """The calls that turn prices into windows."""
    calls = []
    real = preparing.build_windows
    monkeypatch.setattr(
        preparing, "build_windows", lambda *given: calls.append(given) or real(*given)
    )
    return calls


def same(one, other):
    for (weights, losses, seed), (others, theirs, of) in zip(one, other, strict=True):
        assert seed == of
        for mine, yours in zip(weights, others, strict=True):
            np.testing.assert_array_equal(mine, yours)
        assert losses.equals(theirs)


def test_a_training_that_was_stopped_here_goes_on_elsewhere_and_ends_the_same(train, whole, looks):
    with pytest.raises(KeyboardInterrupt):
        train("stopped", Here(), Stopped(True))
    engine = Elsewhere(then=looks.clear)
    same(train("stopped", engine), whole)
    assert [(unit.seed, sorted(unit.saved)) for unit in engine.told] == [(1, ["epoch-00001.state"])]
    assert looks == []  # to take over what a worker made needs no prices


def test_what_was_finished_before_is_taken_over_after_one_look_at_the_prices(train, whole, looks):
    engine = Elsewhere()
    same(train("whole", engine), whole)
    assert len(looks) == 1
    assert engine.told == []


def test_what_was_finished_on_other_prices_is_never_taken_over(train, whole, make_panel):
    panel = make_panel(tickers=1, sessions=520, seed=1)
    other = Prepared(panel, make_splits(panel, SETTINGS), [])
    for engine in (Here(), Elsewhere()):
        with pytest.raises(InputError, match=r"finished\.state is of a training with other"):
            train("whole", engine, prices=other)


def test_of_a_damaged_outcome_the_newest_checkpoint_is_used_and_said(train, whole, drafts):
    shutil.copytree(drafts / "whole", drafts / "damaged")
    for path in (drafts / "damaged").rglob(OUTCOME):
        path.write_bytes(path.read_bytes()[:-1])
    said = io.StringIO()
    same(train("damaged", Here(), Terminal(console=Console(file=said, width=300))), whole)
    assert said.getvalue().count("finished.state is damaged (its SHA-256 is another)") == 2
    assert said.getvalue().count("going on after epoch 3, which was saved") == 2


class FullDisk(Elsewhere):
    """Loses what the workers made of the finished networks; their checkpoints are kept."""

    def run(self, *asked):
        for number, trained in super().run(*asked):
            kept = {name: each for name, each in trained.saved.items() if name != OUTCOME}
            assert kept != trained.saved
            yield number, trained._replace(saved=kept)


def test_what_a_worker_could_not_save_of_its_end_is_made_again_here(train, whole, drafts):
    shutil.copytree(drafts / "whole", drafts / "full")
    for path in (drafts / "full").rglob(OUTCOME):
        path.unlink()
    same(train("full", FullDisk()), whole)


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
