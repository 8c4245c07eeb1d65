"""Running a study unit by unit: what is finished stays on disk and is not measured again."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import runs
from forecast.bounded import read_table
from forecast.engine import Engine
from forecast.studies import load
from forecast.studies.study import Study, Unit


def finished(study: Study, unit: Unit, folder: Path) -> pd.DataFrame | None:
    """Rows of a unit measured before, or None when it was not or its file is damaged."""
    path = _path(study, unit, folder)
    if not path.is_file():
        return None
    try:
        return read_table(path)
    except (OSError, ValueError):  # pyarrow's errors are among them
        path.unlink()
        return None


def run_units(study: Study, units: Sequence[Unit], folder: Path, engine: Engine) -> Iterator[Unit]:
    """Measure units with `engine` and yield each once its rows are kept in `folder`.

    Units of a study that measures time run one after another. An error in a unit is raised; what
    was finished before it stays.
    """
    (folder / "units").mkdir(parents=True, exist_ok=True)
    for batch in [[unit] for unit in units] if study.alone else [units]:
        for number, rows in engine.run(measured, batch, study.name, _named):
            runs.write_frame(_path(study, batch[number], folder), rows)
            yield batch[number]


def collected(study: Study, units: Sequence[Unit], folder: Path) -> pd.DataFrame:
    """Rows of all units in their order, with the settings of each as columns."""
    return pd.concat([read_table(_path(study, unit, folder)) for unit in units], ignore_index=True)


def measured(name: str, unit: Unit) -> pd.DataFrame:
    """Measure one unit of a study, in whatever process this is called."""
    rows = load(name).measure(unit)
    settings = {key: _cell(value) for key, value in unit.items() if key not in rows}
    return rows.assign(**settings)[[*settings, *rows.columns]]


def _named(unit: Unit) -> str:
    return "the measurement " + ", ".join(f"{key} {value}" for key, value in unit.items())


def _cell(value: Any) -> Any:
    """A setting as a value of a column."""
    return str(value) if isinstance(value, list | tuple | dict) else value


def _path(study: Study, unit: Unit, folder: Path) -> Path:
    return folder / "units" / f"{study.key(unit)}.parquet"
