"""A run in progress: a hidden folder beside the runs that becomes one when it is whole."""

import errno
import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from forecast.errors import InputError
from forecast.locks import LOCK, alone_in
from forecast.names import check_run_name
from forecast.runs import LATEST, draft_of

#: What a run in progress needs to go on; everything else in its folder is made again.
CHECKPOINT = "checkpoint"
#: The file in it that is written first.
START = "start.json"
#: What the system says when nothing more can be written.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)


@contextmanager
def new_run(runs_dir: Path, name: str, resume: bool = False) -> Iterator[Path]:
    """Yield a draft that becomes ``runs_dir/name`` when the block succeeds.

    ``runs_dir/latest`` then points at the run. When the block fails, a draft in which epochs were
    saved is kept, so that the training can go on; any other is removed. With `resume` the draft
    of a stopped training is yielded, with nothing in it but its checkpoint.

    Raises InputError when the run exists, when another process is at it, when there is nothing
    to resume and when the folder cannot be written. Ctrl-C then says how to go on.
    """
    target = runs_dir / name
    draft = draft_of(target)
    _check_name(target)
    if resume and not draft.is_dir():
        raise InputError(f"there is no stopped training {name}; {_stopped(runs_dir)}.")
    with ExitStack() as stack:
        try:
            draft.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone_in(draft))
        except OSError as error:
            raise _cannot_write(target, error, "choose another --runs-dir") from error
        _check_name(target)  # it may have been finished a moment ago
        saved = _saved(draft)
        if saved and not resume:
            raise InputError(
                f"a training {name} was stopped after {saved} epochs: go on with it "
                f"({resume_command(runs_dir, name)}), delete {draft}, or choose another --name."
            )
        _clear(draft, resume)
        try:
            yield draft
            _sync(draft)
            draft.rename(target)
        except BaseException as error:
            if not _saved(draft):
                shutil.rmtree(draft, ignore_errors=True)
            explained = _explained(error, draft, target)
            if explained is error:
                raise
            raise explained from error
        shutil.rmtree(target / CHECKPOINT, ignore_errors=True)
        (target / LOCK).unlink(missing_ok=True)
    _point(runs_dir / LATEST, name)


def find_stopped(runs_dir: Path, name: str = "") -> tuple[str, Path]:
    """Return name and checkpoint folder of a stopped training: the named or the newest one.

    Raises InputError when there is none.
    """
    named = draft_of(runs_dir / (check_run_name(name) if name else LATEST))
    starts = [named / CHECKPOINT / START] if name else _starts(runs_dir)
    if not starts or not starts[-1].is_file():
        what = f"no stopped training {name}" if name else f"no stopped training in {runs_dir}"
        raise InputError(f"there is {what}; {_stopped(runs_dir)}.")
    checkpoint = starts[-1].parent
    return checkpoint.parent.name[1 : -len(".partial")], checkpoint


def resume_command(runs_dir: Path, name: str) -> str:
    """The command that goes on with a stopped training."""
    where = [] if runs_dir == Path("runs") else ["--runs-dir", str(runs_dir)]
    return shlex.join(["forecast", "train", "--resume", name, *where])


def _starts(runs_dir: Path) -> list[Path]:
    """The drafts that can go on, the newest last."""
    found = runs_dir.glob(f".*.partial/{CHECKPOINT}/{START}")
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def _stopped(runs_dir: Path) -> str:
    names = [path.parent.parent.name[1 : -len(".partial")] for path in _starts(runs_dir)]
    return f"those there are: {', '.join(names)}" if names else "begin one with forecast train"


def _saved(draft: Path) -> int:
    """Epochs saved in a draft, over all its networks."""
    folders = (draft / CHECKPOINT).glob("*/")
    numbers = [
        max((int(p.stem.rpartition("-")[2]) for p in folder.glob("epoch-*.state")), default=0)
        for folder in folders
    ]
    return sum(numbers)


def _check_name(target: Path) -> None:
    if target.name.lower() == LATEST:
        raise InputError(
            f"--name {target.name} is kept for the link to the newest run; choose another."
        )
    same = [path for path in _beside(target) if path.name.lower() == target.name.lower()]
    if same:
        raise InputError(f"the run {same[0]} exists; choose another --name or delete the folder.")


def _beside(target: Path) -> list[Path]:
    return list(target.parent.iterdir()) if target.parent.is_dir() else []


def _clear(draft: Path, keep_checkpoint: bool) -> None:
    """Remove what a process that is no more has left in a draft."""
    kept = {LOCK, CHECKPOINT} if keep_checkpoint else {LOCK}
    for path in draft.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _explained(error: BaseException, draft: Path, target: Path) -> BaseException:
    """The error to raise: with the command that goes on, where there is something to go on with."""
    go_on = resume_command(target.parent, target.name) if draft.exists() else ""
    if isinstance(error, KeyboardInterrupt) and go_on:
        return KeyboardInterrupt(f"stopped: {_saved(draft)} epochs are saved; go on with: {go_on}")
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        remedy = "make room, then go on with: " + go_on if go_on else "make room"
        return _cannot_write(target, error, remedy + ", or choose another --runs-dir")
    return error


def _cannot_write(target: Path, error: OSError, remedy: str) -> InputError:
    return InputError(f"the run folder {target} cannot be written: {error.strerror}; {remedy}.")


def _sync(folder: Path) -> None:
    """Ask the system to put every file of the folder on the disk."""
    for path in (folder, *folder.rglob("*")):
        with suppress(PermissionError):  # Windows opens no folders
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _point(link: Path, name: str) -> None:
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        draft.symlink_to(name, target_is_directory=True)
        draft.replace(link)
    except OSError:  # a file system without symbolic links still has the run
        draft.unlink(missing_ok=True)
