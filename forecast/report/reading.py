"""Reads a run folder part by part: what is missing or broken is named, never fatal."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import runs
from forecast.bounded import read_table, read_yaml
from forecast.errors import InputError
from forecast.markup import html_table
from forecast.report.words import asked, on_what, verdict


class RunFolder:
    """The files of one run, read when they are asked for and kept.

    Every reader raises InputError that names the file and what is wrong with it. In a notebook it
    shows the verdict.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._frames: dict[str, pd.DataFrame] = {}

    def _repr_html_(self) -> str:
        try:
            skill = self.frame("significance.csv", ["model", "baseline", "h", "verdict"])
            said = verdict(skill, self.model)
            rows = [("question", asked(self.settings(), self.manifest["data"]))]
            rows += [("data", on_what(self.manifest)), ("verdict", said.headline)]
            rows += [("", line) for line in said.lines]
        except (InputError, KeyError, ValueError, TypeError) as error:
            rows = [("cannot be read", str(error))]
        return html_table(f"Run {self.name}", (), rows, f"Folder: {self.path}")

    @property
    def name(self) -> str:
        """Name of the run: that of its folder."""
        return self.path.resolve().name

    def has(self, name: str) -> bool:
        """Whether the run has this file."""
        return (self.path / name).is_file()

    def names(self, pattern: str) -> list[str]:
        """Return the files of the run that fit a pattern, sorted."""
        return sorted(path.relative_to(self.path).as_posix() for path in self.path.glob(pattern))

    def frame(self, name: str, columns: Iterable[str]) -> pd.DataFrame:
        """Return a CSV or Parquet file with at least `columns` and one row."""
        if name not in self._frames:
            self._frames[name] = self._read(name)
        frame = self._frames[name]
        missing = [column for column in columns if column not in frame]
        if missing:
            raise InputError(f"{name} lacks the columns {', '.join(missing)}.")
        if frame.empty:
            raise InputError(f"{name} has no rows.")
        return frame

    def rows_of(self, ticker: str, name: str, columns: Sequence[str]) -> pd.DataFrame:
        """Return some columns of one ticker in a Parquet file; the rest, often large, is not read.

        It is not kept either.
        """
        return self._read(name, columns=[*columns], filters=[("unique_id", "==", ticker)])

    def _read(self, name: str, **only: Any) -> pd.DataFrame:
        path = self.path / name
        if not path.is_file():
            raise InputError(f"{name} is not in this run folder.")
        try:
            return read_table(path, **only)
        except (OSError, ValueError, KeyError, NotImplementedError) as error:  # pyarrow's, pandas'
            said = str(error).partition("\n")[0]
            raise InputError(f"{name} cannot be read: {said}") from error

    def json(self, name: str) -> dict[str, Any]:
        """Return a JSON file that holds an object."""
        path = self.path / name
        if not path.is_file():
            raise InputError(f"{name} is not in this run folder.")
        content = runs.read_json(path)
        if not isinstance(content, dict):
            raise InputError(f"{name} holds no JSON object.")
        return content

    @property
    def manifest(self) -> dict[str, Any]:
        """``manifest.json``."""
        return self.json("manifest.json")

    def settings(self) -> dict[str, Any]:
        """Return ``settings.yaml`` as it is: a report does not need every setting to be known."""
        content = read_yaml(self.path / "settings.yaml")
        if not isinstance(content, dict):
            raise InputError("settings.yaml holds no settings.")
        return content

    def setting(self, name: str) -> Any:
        """Return one setting, None where it cannot be read."""
        try:
            return self.settings().get(name)
        except InputError:
            return None

    @property
    def model(self) -> str:
        """The network the report is about: the first cell of the run, or the first one scored."""
        cells = self.setting("cell")
        if isinstance(cells, list) and cells:
            return str(cells[0])
        return str(self.frame("significance.csv", ["model"])["model"].iloc[0])
