import errno
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from forecast import runs
from forecast.drafts import CHECKPOINT, START, find_stopped, new_run, resume_command, rewritten
from forecast.errors import InputError
from forecast.locks import LOCK, alone_in


def test_a_run_appears_under_its_name_only_when_it_is_whole(tmp_path, everything):
    with new_run(tmp_path / "runs", "first") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "runs" / "first").exists()
    assert everything(tmp_path / "runs") == ["first", "latest"]
    assert (tmp_path / "runs" / "first" / "a.txt").read_text() == "a"


@pytest.mark.parametrize("failure", [RuntimeError, InputError, KeyboardInterrupt, SystemExit])
def test_a_run_that_fails_leaves_nothing_behind(tmp_path, failure, finish, everything):
    finish(tmp_path, "old")

    def spoil():
        with new_run(tmp_path, "new") as folder:
            (folder / "models").mkdir()
            (folder / "models" / "half.keras").write_bytes(b"1")
            raise failure

    with pytest.raises(failure):
        spoil()
    assert everything(tmp_path) == ["latest", "old"]
    assert (tmp_path / "latest").resolve().name == "old"


def test_latest_points_at_the_newest_run_and_moves_with_the_folder(tmp_path, finish):
    for name in ("b", "a"):
        finish(tmp_path / "runs", name)
        assert (tmp_path / "runs" / "latest").readlink() == Path(name)
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "latest" / "manifest.json").is_file()


def test_without_symbolic_links_the_run_is_still_there(tmp_path, monkeypatch, finish, everything):
    def refuse(*_, **__):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    finish(tmp_path, "a")
    assert everything(tmp_path) == ["a"]


def test_a_folder_that_is_called_latest_is_left_alone(tmp_path, finish, everything):
    (tmp_path / "latest").mkdir()
    finish(tmp_path, "a")
    assert everything(tmp_path) == ["a", "latest"]


def test_a_name_that_exists_is_refused_before_any_work(tmp_path, finish):
    finish(tmp_path, "a")
    with pytest.raises(InputError, match=r"the run .*a exists; choose another --name or delete"):
        finish(tmp_path, "a")


def test_the_name_of_the_link_is_no_name_for_a_run(tmp_path, finish, everything):
    with pytest.raises(InputError, match="--name latest is kept for the link to the newest run"):
        finish(tmp_path, "latest")
    assert everything(tmp_path) == []


def test_a_file_in_the_place_of_the_runs_folder_is_told(tmp_path, finish):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(InputError, match=r"cannot be written: .*; choose another --runs-dir"):
        finish(tmp_path / "runs", "a")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_to_write_is_told(tmp_path, finish):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written: Permission denied"):
        finish(tmp_path, "a")


def save_epochs(folder, *counts):
    """Save so many epochs of as many networks, as a training does."""
    (folder / CHECKPOINT).mkdir()
    for number, count in enumerate(counts):
        member = folder / CHECKPOINT / f"lstm-seed{number}"
        member.mkdir()
        for epoch in range(max(1, count - 1), count + 1):
            (member / f"epoch-{epoch:05d}.state").write_bytes(b"")
    (folder / CHECKPOINT / START).write_text("{}")


def stop(runs_dir, name="cut", failure=KeyboardInterrupt, counts=(4, 2)):
    """Begin a run and let it fail after some epochs were saved."""
    with new_run(runs_dir, name) as folder:
        save_epochs(folder, *counts)
        (folder / "half.txt").write_text("half")
        raise failure


def test_a_training_that_is_stopped_keeps_its_epochs_and_says_how_to_go_on(tmp_path, everything):
    with pytest.raises(
        KeyboardInterrupt,
        match=r"6 epochs saved; go on with: forecast train --resume cut --runs-dir /",
    ):
        stop(tmp_path)
    assert everything(tmp_path) == [".cut.partial"]


def test_a_failure_after_epochs_were_saved_is_still_that_failure(tmp_path, everything):
    with pytest.raises(RuntimeError):
        stop(tmp_path, failure=RuntimeError)
    assert everything(tmp_path) == [".cut.partial"]


def test_going_on_finds_the_epochs_and_nothing_half_done_and_ends_as_a_run(tmp_path, everything):
    with pytest.raises(KeyboardInterrupt):
        stop(tmp_path)
    name, checkpoint = find_stopped(tmp_path)
    assert name == "cut"
    with new_run(tmp_path, name, resume=True) as folder:
        assert checkpoint == folder / CHECKPOINT
        assert everything(folder) == [LOCK, CHECKPOINT]
        runs.write_json(folder / "manifest.json", {})
    assert everything(tmp_path) == ["cut", "latest"]
    assert everything(tmp_path / "cut") == ["manifest.json"]


def test_beginning_anew_where_epochs_are_saved_is_refused_with_the_ways_out(
    tmp_path, finish, everything
):
    with pytest.raises(KeyboardInterrupt):
        stop(tmp_path)
    with pytest.raises(InputError, match=r"cut was stopped after 6 epochs: go on with it \(.*dele"):
        finish(tmp_path, "cut")
    assert everything(tmp_path) == [".cut.partial"]


def test_a_draft_of_a_dead_process_without_epochs_is_in_nobodys_way(tmp_path, finish, everything):
    draft = tmp_path / ".a.partial"
    (draft / "models").mkdir(parents=True)
    (draft / LOCK).write_text("999999999")
    finish(tmp_path, "a")
    assert everything(tmp_path) == ["a", "latest"]
    assert everything(tmp_path / "a") == ["manifest.json"]


def test_the_newest_stopped_training_is_found_or_the_one_that_is_named(tmp_path):
    for name in ("b", "a"):
        with pytest.raises(KeyboardInterrupt):
            stop(tmp_path, name)
        os.utime(tmp_path / f".{name}.partial" / CHECKPOINT / START, times=(0, ord(name)))
    assert find_stopped(tmp_path)[0] == "b"
    assert find_stopped(tmp_path, "a")[0] == "a"
    with pytest.raises(InputError, match=r"no stopped training c; those there are: a, b\."):
        find_stopped(tmp_path, "c")
    with pytest.raises(InputError, match=r"no stopped training c; those there are: a, b\."):
        new_run(tmp_path, "c", resume=True).__enter__()


def test_without_any_stopped_training_one_is_told_to_begin(tmp_path):
    with pytest.raises(InputError, match=r"no stopped training in .*; begin one with forecast tr"):
        find_stopped(tmp_path)


def test_the_command_that_goes_on_can_be_pasted_into_a_shell():
    assert resume_command(Path("runs"), "a") == "forecast train --resume a"
    assert resume_command(Path("my runs"), "a").endswith(" --runs-dir 'my runs'")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        *((errno.ENOSPC, "make room"), (errno.EDQUOT, "make room")),
        *((errno.EROFS, "make it writable"), (errno.EACCES, "make it writable")),
    ],
)
def test_a_full_disk_is_told_with_the_way_to_go_on(tmp_path, number, remedy, everything):
    def full(counts):
        stop(tmp_path, failure=OSError(number, os.strerror(number)), counts=counts)

    with pytest.raises(
        InputError, match=rf"cannot be written: {os.strerror(number)}; {remedy}, or choose"
    ):
        full(())
    assert everything(tmp_path) == []
    with pytest.raises(InputError, match=f"; {remedy}, then go on with: forecast train --resume"):
        full((3,))
    assert everything(tmp_path) == [".cut.partial"]


def test_a_folder_that_is_removed_while_a_training_runs_is_told(tmp_path, everything):
    def removed():
        with new_run(tmp_path, "a") as folder:
            shutil.rmtree(folder)
            (folder / "b.txt").write_text("b")

    with pytest.raises(InputError, match=r"a\.partial was removed while the training ran"):
        removed()
    assert everything(tmp_path) == []


def test_a_folder_is_rewritten_whole_or_not_at_all(tmp_path, everything):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / ".99.b.txt").write_text("of a process that was killed")

    def rewrite(failure=None):
        with rewritten(tmp_path) as draft:
            (draft / "plots").mkdir()
            for name in ("a.txt", "plots/c.txt"):
                (draft / name).write_text("new")
            assert (tmp_path / "a.txt").read_text() == "old"
            if failure:
                raise failure

    for failure in (KeyboardInterrupt(), RuntimeError(), OSError(errno.ENOENT, "")):
        with pytest.raises(type(failure)):
            rewrite(failure)
        assert everything(tmp_path) == ["a.txt"]
    with pytest.raises(InputError, match="cannot be written: No space left on device; make room"):
        rewrite(OSError(errno.ENOSPC, ""))
    rewrite()
    assert everything(tmp_path) == ["a.txt", "plots"]
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_name_that_a_living_process_is_writing_is_refused_with_its_number(
    tmp_path, finish, everything
):
    refused = pytest.raises(InputError, match=rf"a\.partial is in use by process {os.getpid()}: w")
    with new_run(tmp_path, "a"), refused:
        finish(tmp_path, "a")
    assert everything(tmp_path) == ["a", "latest"]


HOLD = """
import sys, time
from pathlib import Path
from forecast.locks import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


def test_a_process_that_is_killed_keeps_nobody_out_and_one_that_lives_does(tmp_path, everything):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout.read(2) == b"in"
        with pytest.raises(InputError, match=rf"is in use by process {other.pid}"):
            alone_in(tmp_path).__enter__()
        other.kill()
        other.wait()
    assert (tmp_path / LOCK).exists()
    with alone_in(tmp_path):
        pass
    assert everything(tmp_path) == []


def test_a_lock_that_was_taken_away_while_waiting_is_not_held(tmp_path, monkeypatch):
    real, removed = fcntl.flock, []

    def taken_away(file, how):
        real(file, how)
        if not removed:
            removed.append((tmp_path / LOCK).unlink())

    monkeypatch.setattr("forecast.locks.fcntl.flock", taken_away)
    with alone_in(tmp_path):
        assert (tmp_path / LOCK).read_text() == str(os.getpid())
    assert removed


def test_a_folder_that_knows_no_locks_can_be_used(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr("forecast.locks.fcntl.flock", unknown)
    with alone_in(tmp_path):
        pass
