"""The run folder: written whole or not at all, checked when it is read."""

import hashlib
import itertools
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import pandas as pd
import yaml

from forecast.errors import InputError
from forecast.settings import Settings

LATEST = "latest"


@contextmanager
def new_run(runs_dir: Path, name: str) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``runs_dir/name`` when the block succeeds.

    When the block fails, nothing is left behind. ``runs_dir/latest`` then points at the run.
    Raises InputError when the run exists or is being written, or the folder cannot be written.
    """
    target = runs_dir / name
    if name == LATEST:
        raise InputError(f"--name {LATEST} is kept for the link to the newest run; choose another.")
    if target.exists():
        raise InputError(f"the run {target} exists; choose another --name or delete the folder.")
    draft = _draft(target)
    try:
        draft.mkdir(parents=True)  # also reserves the name: of two runs one comes first
    except FileExistsError as error:
        raise InputError(
            f"the run {target} is being written, or was cut off and left {draft}: choose another "
            "--name, or delete that folder when no training is running."
        ) from error
    except OSError as error:
        raise InputError(
            f"the run folder {target} cannot be written: {error.strerror}; choose another "
            "--runs-dir."
        ) from error
    try:
        yield draft
        _sync(draft)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _point(runs_dir / LATEST, name)


def _draft(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


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


def default_name(runs_dir: Path, source: str, now: datetime | None = None) -> str:
    """Name of a run: date, time and source, such as ``2026-01-31_17-05-09_bundled``.

    When another run of that second has it, ``-2``, ``-3`` … is added.
    """
    name = f"{now or datetime.now():%Y-%m-%d_%H-%M-%S}_{source}"
    for number in itertools.count(1):
        target = runs_dir / (name if number == 1 else f"{name}-{number}")
        if not target.exists() and not _draft(target).exists():
            break
    return target.name


def find_run(run: Path | None, runs_dir: Path) -> Path:
    """Return the folder of a run: `run` itself, a name in `runs_dir`, or the newest run.

    Raises InputError when there is none or when the folder is no run.
    """
    wanted = run or Path(LATEST)
    for folder in ([wanted] if run else []) + [runs_dir / wanted]:
        if (folder / "manifest.json").is_file():
            return folder.resolve()
    known = sorted(
        p.parent.name for p in runs_dir.glob("[!.]*/manifest.json") if p.parent.name != LATEST
    )
    hint = f"runs there are: {', '.join(known)}" if known else "train first: forecast train"
    raise InputError(f"no run at {wanted if run else runs_dir / LATEST}; {hint}.")


def make_folder(folder: Path, flag: str) -> None:
    """Make a folder that may exist; InputError with the flag to change when it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be made: {error.strerror}; choose another {flag}."
        ) from error


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file to a temporary name beside it, then rename: whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    raw = data.encode() if isinstance(data, str) else data
    with draft.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as Parquet or CSV, by the path's suffix, whole or not at all."""
    draft = path.with_name(f".{os.getpid()}.{path.name}")
    if path.suffix == ".parquet":
        frame.to_parquet(draft, index=False)
    else:
        frame.to_csv(draft, index=False, lineterminator="\n")
    draft.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys and no NaN (they become null)."""
    write_atomic(
        path, json.dumps(_plain(content), indent=2, sort_keys=True, allow_nan=False) + "\n"
    )


def _plain(value: Any) -> Any:
    """Numbers JSON knows: NaN and infinities become null, NumPy scalars become Python's."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_json(path: Path) -> Any:
    """Read a JSON file of a run; InputError when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}; train the run again.") from error


def write_settings(folder: Path, settings: Settings) -> None:
    """Write ``settings.yaml``, which ``--config`` reads back: all but the name, which is taken."""
    content = settings.model_dump(mode="json", exclude_none=True, exclude={"name"})
    write_atomic(folder / "settings.yaml", yaml.safe_dump(content, sort_keys=False))


def read_settings(folder: Path) -> Settings:
    """Read the settings a run was made with."""
    try:
        content = yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8"))
        return Settings.model_validate(content)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{folder / 'settings.yaml'} cannot be read: {error}") from error


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(folder: Path, name: str) -> Path:
    """Return a file of the run after comparing it with the hash in the manifest.

    Raises InputError when it is missing or was changed since it was written.
    """
    path = folder / name
    expected = read_json(folder / "manifest.json").get("files", {}).get(name)
    if not path.is_file():
        raise InputError(f"{path} is missing; train the run again.")
    if file_sha256(path) != expected:
        raise InputError(
            f"{path} was changed since it was written (its SHA-256 is not the manifest's): "
            "do not trust it; train the run again."
        )
    return path


def file_stem(ticker: str) -> str:
    """Part of a file name for a ticker: anything but letters, digits, ., - and _ becomes _.

    A checksum is added where something was changed, so that no two tickers share a file.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", ticker)[:60]
    return stem if stem == ticker else f"{stem}-{crc32(ticker.encode()):08x}"
