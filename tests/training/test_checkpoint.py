"""A training that is cut off and goes on ends bit for bit where it would have ended."""

import errno
import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.evaluation.backtest import make_cutoffs
from forecast.settings import Settings
from forecast.training import NeuralForecaster, ProgressReport, forecaster
from forecast.training.checkpoint import pack, unpack
from forecast.training.outcome import OUTCOME, read_outcome

SETTINGS = Settings(
    lookback=16, horizon=5, units=3, epochs=4, steps_per_epoch=3, batch_size=8, lr=1e-2
)
BORDER, UNTIL = 400, 499


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=2, sessions=520, seed=8)


def fit(panel, folder=None, report=None, cell="lstm", **changed):
    settings, border = SETTINGS.model_copy(update=changed), panel.sessions[BORDER].date()
    network = NeuralForecaster(settings, cell, 0, border, report, folder)
    return network.fit(panel, panel.sessions[UNTIL])


@pytest.fixture(scope="module")
def whole(panel, tmp_path_factory):
    """A training that nothing disturbed, and a copy of every checkpoint, of which two stay."""
    folder, kept = tmp_path_factory.mktemp("saved"), tmp_path_factory.mktemp("kept")

    def keep(state=""):
        for path in folder.glob("epoch-*.state"):
            shutil.copy(path, kept)

    trained = fit(panel, folder, ProgressReport(keep, lambda line: None))
    keep()
    return trained, folder, kept


#: A network that costs little, for what is the same whatever is trained.
PLAIN = {"cell": "simple-rnn", "telemetry": "off"}


@pytest.fixture(scope="module")
def plain(panel, tmp_path_factory):
    """A training of it that nothing disturbed, and its two checkpoints."""
    folder = tmp_path_factory.mktemp("plain")
    return fit(panel, folder, **PLAIN), folder


def same(a, b):
    """Whether two trained networks are the same, times aside."""
    for mine, other in zip(a.network_.get_weights(), b.network_.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    slots = zip(a.network_.optimizer.variables, b.network_.optimizer.variables, strict=True)
    for mine, other in slots:
        np.testing.assert_array_equal(mine.numpy(), other.numpy())
    columns = ["epoch", "loss", "val_loss"]
    pd.testing.assert_frame_equal(a.history_[columns], b.history_[columns], check_exact=True)
    told = (pd.DataFrame() if each.telemetry_ is None else each.telemetry_ for each in (a, b))
    pd.testing.assert_frame_equal(*told, check_exact=True)
    assert a.first_losses_ == b.first_losses_
    assert a.left_out_ == b.left_out_


@pytest.mark.parametrize("epoch", [2, 4])  # in the middle; when nothing is left to train
def test_going_on_after_an_epoch_ends_where_the_whole_training_ended(panel, whole, tmp_path, epoch):
    trained, _, kept = whole
    shutil.copy(kept / f"epoch-{epoch:05d}.state", tmp_path)
    same(fit(panel, tmp_path), trained)


def test_two_checkpoints_are_kept_and_nothing_half_written_beside_them(whole):
    _, folder, kept = whole
    assert [path.name for path in sorted(folder.iterdir())] == [
        "epoch-00003.state",
        "epoch-00004.state",
        OUTCOME,
    ]
    assert len(list(kept.iterdir())) == 4


def test_what_a_training_left_gives_back_all_that_it_promised(panel, whole):
    trained, folder, _ = whole
    again = NeuralForecaster(trained.settings, "lstm", 0)
    again.take_over(read_outcome(folder, print), folder, panel.tickers)
    same(again, trained)
    promised = {name for name in vars(trained) if name.endswith("_")}
    assert {name for name in vars(again) if name.endswith("_")} == promised
    frames = {"network_", "history_", "telemetry_"}
    for name in promised - frames:
        assert getattr(again, name) == getattr(trained, name), name
    pd.testing.assert_frame_equal(again.history_, trained.history_, check_exact=True)
    cutoffs = make_cutoffs(panel, panel.sessions[UNTIL])
    mine, other = (n.forecast(panel, cutoffs, (1, 5)) for n in (again, trained))
    np.testing.assert_array_equal(mine, other)


def test_what_a_network_of_another_shape_left_is_refused(panel, whole):
    _, folder, _ = whole
    network = NeuralForecaster(SETTINGS.model_copy(update={"units": 4}), "lstm", 0)
    with pytest.raises(InputError, match=r"has other weights than this network: .*train anew"):
        network.take_over(read_outcome(folder, print), folder, panel.tickers)


def test_what_a_checkpoint_costs_is_said_at_the_end(panel, tmp_path):
    said = []
    fit(panel, tmp_path, ProgressReport(lambda state: None, said.append), **PLAIN, epochs=2)
    size = round((tmp_path / "epoch-00002.state").stat().st_size / 1e3)
    told = [line for line in said if "every epoch was saved" in line]
    assert len(told) == 1
    assert re.search(r": (\d+) kB in \d+\.\d ms each$", told[0])
    assert int(told[0].split()[4]) == pytest.approx(size, abs=1)


@pytest.mark.parametrize("damage", ["cut short", "emptied", "a bit flipped"])
def test_of_a_damaged_checkpoint_the_one_before_is_used_and_said(
    panel, plain, tmp_path, capsys, damage
):
    trained, folder = plain
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    newest = tmp_path / "epoch-00004.state"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    spoiled = {"cut short": content[: len(content) // 2], "emptied": b"", "a bit flipped": content}
    newest.write_bytes(spoiled[damage])
    same(fit(panel, tmp_path, **PLAIN), trained)
    assert "epoch-00004.state is damaged (" in capsys.readouterr().out


def test_when_every_checkpoint_is_damaged_one_is_told_to_train_anew(panel, tmp_path):
    (tmp_path / "epoch-00001.state").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"all checkpoints in .* are damaged: train anew"):
        fit(panel, tmp_path)


@pytest.mark.parametrize("changed", [{"lr": 1e-3}, {"cell": "gru"}, {"panel": 1}])
def test_a_checkpoint_of_another_training_is_refused(panel, make_panel, whole, changed):
    _, folder, _ = whole
    changed = dict(changed)
    other = make_panel(tickers=2, sessions=520, seed=9) if changed.pop("panel", 0) else panel
    with pytest.raises(InputError, match="is of a training with other settings or prices: delete"):
        fit(other, folder, **changed)


def test_what_changes_nothing_in_the_training_is_no_other_training(panel, plain):
    trained, folder = plain
    same(fit(panel, folder, **PLAIN, quiet=True, tensorboard=True), trained)


def test_a_network_of_another_shape_is_refused(panel, whole, tmp_path, monkeypatch):
    _, folder, _ = whole
    monkeypatch.setattr(forecaster, "training_key", lambda *_: "the same")
    state = unpack((folder / "epoch-00004.state").read_bytes())
    state["about"]["key"] = "the same"
    (tmp_path / "epoch-00004.state").write_bytes(pack(state))
    with pytest.raises(InputError, match=r"has other weights than this network: .*train anew"):
        fit(panel, tmp_path, units=4)


def test_a_disk_that_is_full_is_said_once_and_the_training_goes_on(
    panel, plain, tmp_path, capsys, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    same(fit(panel, tmp_path, **PLAIN), plain[0])
    said = capsys.readouterr().out
    assert said.count("cannot be saved: No space left on device; training goes on") == 1
    assert said.count("what is finished cannot be saved: No space left on device; a --resume") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_stopped_early_is_not_gone_on_with(panel, tmp_path):
    wild = {"lr": 1.0, "clip_norm": 100.0, "epochs": 40, "patience": 1}
    first = fit(panel, tmp_path, **PLAIN, **wild)
    assert len(first.history_) < 40
    same(fit(panel, tmp_path, **PLAIN, **wild), first)


def test_a_state_comes_back_from_its_bytes_as_it_was():
    numbers = np.array([1.5, np.nan, -0.0, np.inf])
    state = {
        "a": {"numbers": numbers, "words": ["x", ""], "none": None, "third": 1 / 3},
        "b": {"scalar": np.asarray(np.int64(7)), "nan": float("nan")},
    }
    again = unpack(pack(state))
    np.testing.assert_array_equal(again["a"]["numbers"].view(np.int64), numbers.view(np.int64))
    assert list(again["a"]) == list(state["a"])
    assert again["a"]["third"] == 1 / 3
    assert again["b"]["scalar"] == 7
    assert again["b"]["scalar"].dtype == np.int64
    assert np.isnan(again["b"]["nan"])


def test_no_damage_of_a_byte_goes_unnoticed():
    rng = np.random.default_rng(0)
    whole = pack({"a": {"x": rng.standard_normal(40), "y": 3}})
    for place in range(len(whole)):
        spoiled = bytearray(whole)
        spoiled[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(ValueError, match="its SHA-256 is another"):
            unpack(bytes(spoiled))
