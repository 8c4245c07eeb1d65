"""What a command says: plain lines in a pipe, tables and bars on a terminal, JSON for machines."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

from rich import box
from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from forecast.errors import InputError
from forecast.escaping import printable
from forecast.jobs.installed import check_installed, collector_at_rest, explained
from forecast.runs import json_text

#: Columns of the output in a file or a pipe: a row of a table is a line there.
PIPE_WIDTH = 10_000
#: What a number begins with, or what stands where there is none.
NUMERIC = ("", *"0123456789+-−–")
#: What takes longer than so many seconds is told with its time.
LONG = 2.0


class Console(RichConsole):
    """Where lines go; who reads them may hang up."""

    def on_broken_pipe(self) -> None:
        """Leave it to the command line, which ends silently."""
        raise BrokenPipeError


class Terminal:
    """Lines, tables and progress; with `quiet` only tables, `result` and `path` are printed.

    With `json` one JSON object is printed at the end of the ``with`` block and nothing else: what
    was given to `data`; where nothing was, the tables and the lines of the result as they are.
    """

    def __init__(
        self, quiet: bool = False, console: RichConsole | None = None, json: bool = False
    ) -> None:
        probe = console or Console()
        width = None if probe.is_terminal else PIPE_WIDTH
        self.console = console or Console(width=width, highlight=False)
        self.quiet, self.json = quiet or json, json
        self._data: dict[str, Any] = {}
        self._tables: list[dict[str, Any]] = []
        self._said: list[str] = []
        self._path: dict[str, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.json and error is None:
            content = self._data or {"tables": self._tables, "said": self._said}
            self.console.file.write(json_text({**content, **self._path}))

    def data(self, **values: Any) -> None:
        """Keep values for JSON: frames become rows; numbers stay numbers, in the unit they have."""
        self._data |= values

    def line(self, text: str) -> None:
        """Print a line, as it is."""
        if not self.quiet:
            self._say(text)

    def heading(self, text: str) -> None:
        """Print a line that begins a part."""
        if not self.quiet:
            self._say(text, "bold")

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table; columns of numbers are aligned to the right."""
        if self.json:
            self._tables.append({"title": title, "columns": header, "rows": rows})
            return
        self._say(title, "bold")
        table = Table(box=box.SIMPLE_HEAD if self.console.is_terminal else None)
        for k, name in enumerate(header):
            numbers = k > 0 and all(row[k][:1] in NUMERIC for row in rows)
            justify: Literal["left", "right"] = "right" if numbers else "left"
            table.add_column(Text(printable(name)), justify=justify, no_wrap=k == 0)
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self.console.print(table)

    def result(self, text: str) -> None:
        """Print a line that is part of the result, also when quiet."""
        if self.json:
            self._said.append(text)
            return
        self._say(text)

    def path(self, folder: Path) -> None:
        """Print the run folder's path, alone on the last line."""
        if self.json:
            self._path["path"] = folder
            return
        self._say(str(folder))

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(Text(printable(text), style=style), soft_wrap=True)

    @contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator["Bar"]:
        """Yield a bar as `progress` does, and say afterwards how long it took, if it was long."""
        started = time.perf_counter()
        with self.progress(title, total) as bar:
            yield bar
        seconds = time.perf_counter() - started
        if seconds > LONG:
            self.line(f"  {title}: {seconds:.1f} s")

    @contextmanager
    def progress(self, title: str, total: int | None) -> Iterator["Bar"]:
        """Yield a bar that is drawn on a terminal and leaves nothing behind.

        It shows the seconds gone and, with a `total`, an estimate of those to come.
        """
        known = (MofNCompleteColumn(), TimeRemainingColumn()) if total else (TimeElapsedColumn(),)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *known,
            TextColumn("{task.fields[state]}", markup=False),
        )
        disable = self.quiet or not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=disable) as bars:
            yield Bar(bars, bars.add_task(printable(title), total=total, state=""))


class Bar:
    """One progress bar."""

    def __init__(self, bars: Progress, task: object) -> None:
        self._bars, self._task = bars, task

    def say(self, state: str) -> None:
        """Show the state beside the bar, which stays where it is."""
        self._bars.update(self._task, state=printable(state))  # type: ignore[arg-type]

    def step(self, state: str = "") -> None:
        """Go one step on, and show the state beside the bar."""
        self._bars.update(self._task, advance=1, state=printable(state))  # type: ignore[arg-type]


@contextmanager
def startup_notes_hidden() -> Iterator[None]:
    """Keep what TensorFlow's libraries write to stderr while they load off the terminal.

    They write to the file descriptor before any of their own switches is read. What was written
    is shown after all when loading fails. Raises InputError where TensorFlow or Keras is missing,
    too old or does not load.
    """
    check_installed()
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            with explained(), collector_at_rest():
                yield
        except InputError:
            raise
        except BaseException:
            notes.seek(0)
            os.write(real, notes.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
