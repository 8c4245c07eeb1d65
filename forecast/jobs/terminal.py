"""What a command says: plain lines in a pipe, tables and bars on a terminal."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

#: Columns of the output when it goes to a file or a pipe.
PIPE_WIDTH = 160


class Terminal:
    """Lines, tables and progress; with `quiet` only `result` and `path` are printed."""

    def __init__(self, quiet: bool = False, console: Console | None = None) -> None:
        probe = console or Console()
        width = None if probe.is_terminal else PIPE_WIDTH
        self.console = console or Console(width=width, highlight=False)
        self.quiet = quiet

    def line(self, text: str) -> None:
        """Print a line, as it is."""
        if not self.quiet:
            self.console.print(escape(text), soft_wrap=True)

    def heading(self, text: str) -> None:
        """Print a line that begins a part."""
        if not self.quiet:
            self.console.print(f"[bold]{escape(text)}[/bold]", soft_wrap=True)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table; all but the first column are aligned to the right."""
        self.console.print(f"[bold]{escape(title)}[/bold]", soft_wrap=True)
        table = Table(box=box.SIMPLE_HEAD)
        for k, name in enumerate(header):
            table.add_column(escape(name), justify="left" if k == 0 else "right", no_wrap=k == 0)
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.console.print(table)

    def result(self, text: str) -> None:
        """Print a line that is part of the result, also when quiet."""
        self.console.print(escape(text), soft_wrap=True)

    def path(self, folder: Path) -> None:
        """Print the run folder's path, alone on the last line."""
        self.console.print(escape(str(folder)), soft_wrap=True)

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator["Bar"]:
        """Yield a bar that is drawn on a terminal and leaves nothing behind."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
        )
        disable = self.quiet or not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=disable) as bars:
            yield Bar(bars, bars.add_task(escape(title), total=total, state=""))


class Bar:
    """One progress bar."""

    def __init__(self, bars: Progress, task: object) -> None:
        self._bars, self._task = bars, task

    def step(self, state: str = "") -> None:
        """Go one step on, and show the state beside the bar."""
        self._bars.update(self._task, advance=1, state=escape(state))  # type: ignore[arg-type]


@contextmanager
def startup_notes_hidden() -> Iterator[None]:
    """Keep what TensorFlow's libraries write to stderr while they load off the terminal.

    They write to the file descriptor before any of their own switches is read. What was written
    is shown after all when loading fails.
    """
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except BaseException:
            notes.seek(0)
            os.write(real, notes.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
