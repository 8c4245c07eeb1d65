"""Running a study unit by unit: what is finished stays on disk and is not measured again."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import runs
from forecast.bounded import read_table
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


def run_units(
    study: Study, units: Sequence[Unit], folder: Path, executor: Executor
) -> Iterator[Unit]:
    """Measure units with `executor` and yield each once its rows are kept in `folder`.

    Units of a study that measures time run one after another. An error in a unit is raised; what
    was finished before it stays.
    """
    (folder / "units").mkdir(parents=True, exist_ok=True)
    batches = [[unit] for unit in units] if study.alone else [list(units)]
    for batch in batches:
        jobs = {executor.submit(measured, study.name, unit): unit for unit in batch}
        try:
            for job in as_completed(jobs):
                unit = jobs[job]
                runs.write_frame(_path(study, unit, folder), job.result())
                yield unit
        finally:
            for job in jobs:
                job.cancel()


def collected(study: Study, units: Sequence[Unit], folder: Path) -> pd.DataFrame:
    """Rows of all units in their order, with the settings of each as columns."""
    return pd.concat([read_table(_path(study, unit, folder)) for unit in units], ignore_index=True)


def measured(name: str, unit: Unit) -> pd.DataFrame:
    """Measure one unit of a study, in whatever process this is called."""
    rows = load(name).measure(unit)
    settings = {key: _cell(value) for key, value in unit.items() if key not in rows}
    return rows.assign(**settings)[[*settings, *rows.columns]]


def stay_on_one_core(core: int | None) -> None:
    """Keep this process on a core (None: the system cannot) and TensorFlow on one thread.

    Sums are then made in the same order wherever and beside whatever a unit runs.
    """
    if core is not None:
        os.sched_setaffinity(0, {core})
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.list_logical_devices()  # starts the runtime
    tf.get_logger().setLevel("ERROR")  # units of many shapes are traced anew: no word of each


def _cell(value: Any) -> Any:
    """A setting as a value of a column."""
    return str(value) if isinstance(value, list | tuple | dict) else value


def _path(study: Study, unit: Unit, folder: Path) -> Path:
    return folder / "units" / f"{study.key(unit)}.parquet"
