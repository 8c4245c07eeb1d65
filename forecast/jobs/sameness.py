"""Whether two runs are the same: every file that a training computes, times aside."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
import pandas as pd

from forecast import runs
from forecast.errors import InputError

#: What a training or a walk computes, by place; the rest of a run tells of its making.
COMPUTED = ("models/*.keras", "*.parquet", "*.csv", "metrics.json", "plots/*.png")
#: What was measured with a clock: columns of ``history.csv``, keys of ``metrics.json``.
TIMES = ("seconds", "fit_seconds", "step_ms")
#: Where a ``.keras`` file has its numbers; the rest of it names dates and layers.
WEIGHTS = "model.weights.h5"
#: Files whose numbers are prices.
PRICES = ("forecasts.parquet", "fans.parquet", "prices.parquet", "panel.parquet")


class Difference(NamedTuple):
    """A file that is not the same in two runs, and in words what of it."""

    file: str
    said: str


class Gap(NamedTuple):
    """The largest difference between two arrays, and where they stand."""

    size: float  # 0: the same, infinity: they cannot be subtracted
    place: str


def compare_runs(first: Path, second: Path) -> tuple[list[str], list[Difference]]:
    """Return the files that are the same in two runs (or walks) and those that differ.

    Raises InputError when a manifest cannot be read.
    """
    units = _units(runs.read_json(first / "manifest.json")["data"])
    names = {p.relative_to(f).as_posix() for f in (first, second) for p in _computed(f)}
    same, other = [], []
    for name in sorted(names):
        said = _difference(first / name, second / name, units)
        if said:
            other.append(Difference(name, said))
        else:
            same.append(name)
    return same, other


def _computed(folder: Path) -> Iterator[Path]:
    for pattern in COMPUTED:
        yield from folder.glob(pattern)


def _units(data: dict[str, Any]) -> dict[str, str]:
    """Unit of the numbers in a file, or at a key of ``metrics.json``."""
    price, own = data.get("unit", "of the price"), data.get("scale") == "linear"
    log_return = "of the value" if own else "log return"
    return {
        **dict.fromkeys(PRICES, price),
        "log_returns.parquet": log_return,
        "history.csv": "volatilities",
        "crps": log_return,
        "mae": price,
    }


def _difference(first: Path, second: Path, units: dict[str, str]) -> str:
    """What is different in two files, in words; nothing when they are the same."""
    if missing := [path.parent for path in (first, second) if not path.is_file()]:
        return f"{missing[0]} has none"
    if first.read_bytes() == second.read_bytes():
        return ""
    if first.suffix not in _COMPARE:
        return "other bytes"
    try:
        found = [gap for gap in _COMPARE[first.suffix](first, second) if gap.size > 0]
    except (OSError, ValueError, KeyError, BadZipFile, InputError) as error:
        return f"cannot be read: {' '.join(str(error).split())}"
    return _told(first.name, found, units) if found else ""


def _told(file: str, gaps: list[Gap], units: dict[str, str]) -> str:
    """The largest gap in words; one whose unit is known goes before the others."""
    if broken := [gap.place for gap in gaps if np.isinf(gap.size)]:
        return f"not the same in {broken[0]}"
    known = [(gap, unit) for gap in gaps if (unit := _unit(file, gap.place, units))]
    largest, unit = max(known or [(gap, "in its own unit") for gap in gaps])
    return f"largest difference {largest.size:.3g} {unit}, in {largest.place}"


def _unit(file: str, place: str, units: dict[str, str]) -> str | None:
    return next((units[key] for key in (file, *place.split(" / ")) if key in units), None)


def _frames(first: Path, second: Path) -> Iterator[Gap]:
    """The largest difference of two tables in every column."""
    read: Callable[[Path], pd.DataFrame] = (
        pd.read_parquet if first.suffix == ".parquet" else pd.read_csv
    )
    a, b = (read(path).drop(columns=list(TIMES), errors="ignore") for path in (first, second))
    if list(a) != list(b) or len(a) != len(b):
        yield Gap(np.inf, f"its shape: {a.shape} and {b.shape}")
        return
    for name in a:
        yield Gap(_gap(a[name].to_numpy(), b[name].to_numpy()), str(name))


def _weights(first: Path, second: Path) -> Iterator[Gap]:
    """The largest difference of two networks in every weight and slot of the optimizer."""
    import h5py

    found: list[dict[str, np.ndarray]] = []
    for path in (first, second):
        arrays: dict[str, np.ndarray] = {}

        def keep(name: str, item: Any, into: dict[str, np.ndarray] = arrays) -> None:
            if isinstance(item, h5py.Dataset):
                into[name] = item[()]

        with ZipFile(path) as file, h5py.File(io.BytesIO(file.read(WEIGHTS)), "r") as content:
            content.visititems(keep)
        found.append(arrays)
    a, b = found
    if {k: v.shape for k, v in a.items()} != {k: v.shape for k, v in b.items()}:
        yield Gap(np.inf, "its shapes")
        return
    for name in a:
        yield Gap(_gap(a[name], b[name]), name)


def _json(first: Path, second: Path) -> Iterator[Gap]:
    """The difference of two JSON files at every key."""
    a, b = (dict(_leaves(runs.read_json(path))) for path in (first, second))
    for key in sorted(set(a) | set(b)):
        both = key in a and key in b
        yield Gap(_gap(np.asarray(a[key]), np.asarray(b[key])) if both else np.inf, key)


def _leaves(content: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in items:
            if key not in TIMES:
                yield from _leaves(value, f"{place} / {key}" if place else str(key))
    else:
        yield place, content


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    """Largest absolute difference of two arrays; infinite where they cannot be subtracted."""
    numbers = all(x.dtype.kind in "iuf" for x in (a, b))
    if not numbers:
        return 0.0 if pd.Series(a.ravel()).equals(pd.Series(b.ravel())) else np.inf
    a, b = a.astype(float), b.astype(float)
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        gap = np.where(equal, 0.0, np.abs(a - b))
    return float(np.nan_to_num(gap, nan=np.inf).max(initial=0.0))


_COMPARE: dict[str, Callable[[Path, Path], Iterator[Gap]]] = {
    ".keras": _weights,
    ".parquet": _frames,
    ".csv": _frames,
    ".json": _json,
}
