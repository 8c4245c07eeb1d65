"""A run in progress: a hidden folder beside the runs that becomes one when it is whole."""

import errno
import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from forecast.counts import counted
from forecast.errors import NOT_WRITABLE, DivergedError, InputError
from forecast.locks import LOCK, alone_in
from forecast.names import check_run_name
from forecast.runs import LATEST, draft_of

#: What a run in progress needs to go on; everything else in its folder is made again.
CHECKPOINT = "checkpoint"
#: The folder in a run in which files that take the place of others are made.
PARTIAL = ".partial"
#: The file in it that is written first.
START = "start.json"


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
                f"a training {name} was stopped after {counted(saved, 'epoch')}: go on with it "
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
    settle(target)


def settle(run: Path) -> None:
    """Put away what a run that is whole no longer needs, and let ``latest`` point at it."""
    shutil.rmtree(run / CHECKPOINT, ignore_errors=True)
    (run / LOCK).unlink(missing_ok=True)
    _point(run.with_name(LATEST), run.name)


@contextmanager
def rewritten(folder: Path) -> Iterator[Path]:
    """Yield a draft whose files take their places in a folder, all of them at the end.

    Nobody else may write in the folder meanwhile; when the block fails, they are not there.
    Raises InputError when another process is at it and when it cannot be written.
    """
    draft = folder / PARTIAL
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone_in(folder))
            _clear_killed(folder)
            draft.mkdir()
        except OSError as error:
            raise _cannot_write(folder, error, "make it writable, or copy the run") from error
        try:
            yield draft
            for path in [path for path in sorted(draft.rglob("*")) if path.is_file()]:
                place = folder / path.relative_to(draft)
                place.parent.mkdir(exist_ok=True)
                path.replace(place)
        except OSError as error:
            if error.errno in NOT_WRITABLE:
                raise _cannot_write(folder, error, f"{_remedy(error)}, and try again") from error
            raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)


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


def _clear_killed(folder: Path) -> None:
    """Remove what a process that was killed has left in a folder (see `runs.written_whole`)."""
    shutil.rmtree(folder / PARTIAL, ignore_errors=True)
    for path in folder.glob(".[0-9]*.*"):
        path.unlink(missing_ok=True)


def _explained(error: BaseException, draft: Path, target: Path) -> BaseException:
    """The error to raise: with the command that goes on, where there is something to go on with."""
    go_on = resume_command(target.parent, target.name) if draft.exists() else ""
    if isinstance(error, KeyboardInterrupt) and go_on:
        return KeyboardInterrupt(
            f"stopped: {counted(_saved(draft), 'epoch')} saved; go on with: {go_on}"
        )
    if isinstance(error, DivergedError) and go_on:
        return DivergedError(f"{error} The epochs before it are kept in {draft / CHECKPOINT}.")
    if isinstance(error, OSError) and error.errno in NOT_WRITABLE:
        then = f", then go on with: {go_on}" if go_on else ""
        return _cannot_write(target, error, f"{_remedy(error)}{then}, or choose another --runs-dir")
    if isinstance(error, FileNotFoundError) and not draft.exists():
        return InputError(f"{draft} was removed while the training ran; train again.")
    return error


def _remedy(error: OSError) -> str:
    no_room = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return "make room" if no_room else "make it writable"


def _cannot_write(target: Path, error: OSError, remedy: str) -> InputError:
    why = os.strerror(error.errno) if error.errno else str(error)
    return InputError(f"the run folder {target} cannot be written: {why}; {remedy}.")


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
    draft = link.with_name(name) / f".{LATEST}"  # where nobody else is
    draft.unlink(missing_ok=True)
    try:
        draft.symlink_to(name, target_is_directory=True)
        draft.replace(link)
    except OSError:  # a file system without symbolic links still has the run
        draft.unlink(missing_ok=True)
