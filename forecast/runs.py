"""The run folder: written whole or not at all, checked when it is read."""

import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import BaseModel, Field, ValidationError

from forecast import bounded
from forecast.errors import InputError
from forecast.escaping import as_cell
from forecast.settings import Settings

LATEST = "latest"


#: What commands read of a run's manifest.
MANIFEST_KEYS = ("data", "splits", "backtest", "seeds", "files")


class _Data(BaseModel):
    tickers: list[str] = Field(min_length=1)


class _Part(BaseModel):
    first: date


class _Splits(BaseModel):
    validation: _Part
    test: _Part


class _Manifest(BaseModel):
    """The parts of a manifest that commands build upon."""

    data: _Data
    splits: _Splits
    backtest: dict[str, Any]
    seeds: list[int] = Field(min_length=1)
    files: dict[str, str]


def draft_of(target: Path) -> Path:
    """The hidden folder in which the run `target` is made."""
    return target.with_name(f".{target.name}.partial")


def default_name(runs_dir: Path, source: str, now: datetime | None = None) -> str:
    """Name of a run: date, time and source, such as ``2026-01-31_17-05-09_bundled``.

    When another run of that second has it, ``-2``, ``-3`` … is added.
    """
    name = f"{now or datetime.now():%Y-%m-%d_%H-%M-%S}_{source}"
    for number in itertools.count(1):
        target = runs_dir / (name if number == 1 else f"{name}-{number}")
        if not target.exists() and not draft_of(target).exists():
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


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield the path of a draft that takes the place of `path` when the block succeeds."""
    draft = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file whole or not at all."""
    with written_whole(path) as draft:
        draft.write_bytes(data.encode() if isinstance(data, str) else data)


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as Parquet or CSV, by the path's suffix, whole or not at all.

    In CSV no text is a formula (`forecast.escaping.as_cell`); `bounded.read_table` takes that back.
    """
    with written_whole(path) as draft:
        if path.suffix == ".parquet":
            frame.to_parquet(draft, index=False)
        else:
            draft.write_text(as_csv(frame), encoding="utf-8", newline="\n")


def as_csv(frame: pd.DataFrame) -> str:
    """Return a frame as CSV in which no table program finds a formula; numbers stay as they are."""
    text = [name for name, kind in frame.dtypes.items() if kind.kind not in "biufcM"]
    header = [_cell(name) for name in frame.columns]
    frame = frame.copy(deep=False)
    for name in text:
        frame[name] = frame[name].map(_cell).astype(object)
    return frame.to_csv(index=False, lineterminator="\n", header=header)


def _cell(value: Any) -> Any:
    return as_cell(value) if isinstance(value, str) else value


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys and no NaN (they become null)."""
    write_atomic(path, json_text(content))


def json_text(content: Any) -> str:
    """Return JSON with sorted keys, no NaN (they become null), frames as rows, dates as ISO."""
    return json.dumps(_plain(content), indent=2, sort_keys=True, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """What JSON knows: NaN and infinities become null, NumPy scalars become Python's."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame):
        days = value.select_dtypes("datetime")
        told = value.assign(**{str(name): days[name].dt.strftime("%Y-%m-%d") for name in days})
        return _plain(told.to_dict("records"))
    if isinstance(value, date | Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_json(path: Path) -> Any:
    """Read a JSON file of a run; InputError when it is missing or damaged."""
    return bounded.read_json(path, "train the run again")


def read_manifest(run: Path) -> dict[str, Any]:
    """Read the manifest of a run; raises InputError when it lacks what commands read of it."""
    manifest = read_record(run)
    missing = [key for key in MANIFEST_KEYS if key not in manifest]
    if missing:
        raise InputError(
            f"the manifest of {run} has no {', '.join(missing)}: the run was written by another "
            "version of forecast. Train it again, or use the version that wrote it."
        )
    try:
        _Manifest.model_validate(manifest)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place, said = ".".join(map(str, first["loc"])), first["msg"]
        raise InputError(
            f"the manifest of {run} cannot be used: {place}: {said[0].lower()}{said[1:]}; train "
            "the run again."
        ) from error
    return manifest


def read_record(folder: Path, record: str = "manifest.json") -> dict[str, Any]:
    """Read a JSON file of a run that holds an object; InputError when it is another."""
    content = read_json(folder / record)
    if not isinstance(content, dict):
        raise InputError(
            f"{folder / record} holds {type(content).__name__}, no object: train again."
        )
    return content


def write_settings(folder: Path, settings: Settings) -> None:
    """Write ``settings.yaml``, which ``--config`` reads back: all but the name, which is taken."""
    content = settings.model_dump(mode="json", exclude_none=True, exclude={"name"})
    write_atomic(folder / "settings.yaml", yaml.safe_dump(content, sort_keys=False))


def read_settings(folder: Path) -> Settings:
    """Read the settings a run was made with."""
    path = folder / "settings.yaml"
    try:
        return Settings.model_validate(bounded.read_yaml(path))
    except ValidationError as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def networks_sha256(manifest: dict[str, Any], cell: str) -> str:
    """Hex SHA-256 that stands for all networks of a cell, from the hashes in their manifest."""
    files = manifest["files"]
    mine = sorted(name for name in files if name.startswith(f"models/{cell}-seed"))
    return hashlib.sha256("".join(files[name] for name in mine).encode()).hexdigest()


def check_file(
    folder: Path, name: str, record: str = "manifest.json", remedy: str = "train the run again"
) -> Path:
    """Return a file of the run after comparing it with the hash in the manifest (`record`).

    Raises InputError with the remedy when it is missing or was changed since it was written.
    """
    path = folder / name
    files = read_record(folder, record).get("files")
    expected = files.get(name) if isinstance(files, dict) else None
    if not path.is_file():
        raise InputError(f"{path} is missing; {remedy}.")
    if file_sha256(path) != expected:
        raise InputError(
            f"{path} was changed since it was written (its SHA-256 is not the manifest's): "
            f"do not trust it; {remedy}."
        )
    return path
