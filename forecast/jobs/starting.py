"""What a training begins with: kept beside its checkpoints, so that it can go on or be repeated."""

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from forecast import runs
from forecast.drafts import START, find_stopped, settle
from forecast.errors import InputError
from forecast.jobs.prepare import Prepared, prepare
from forecast.jobs.terminal import Terminal
from forecast.prices.storing import describe, load_panel, store_panel
from forecast.settings import Settings
from forecast.windows import make_splits

#: The run's own copy of all its prices.
PANEL = "panel.parquet"
#: Settings that may be given with --resume.
_FREE = {"runs_dir", "quiet", "name"}


@dataclass(frozen=True)
class Start:
    """Settings, prices and history of a training; `name` is that of its run folder."""

    name: str
    settings: Settings
    prepared: Prepared
    command: list[str]
    created: str
    resumed: list[str] = field(default_factory=list)


def begin(settings: Settings, terminal: Terminal) -> Start:
    """Load the prices and begin a training; raises InputError."""
    prepared = prepare(settings, terminal)
    name = settings.name or runs.default_name(settings.runs_dir, settings.source)
    command = [Path(sys.argv[0]).name, *sys.argv[1:]]
    return Start(name, settings, prepared, command, now())


def go_on(settings: Settings, name: str, terminal: Terminal) -> Start:
    """Return the start of a stopped training: the named, or the newest one ("").

    Raises InputError when there is none, or for settings other than its own.
    """
    changed = [key for key, value in settings if key not in _FREE and value != _default(key)]
    if changed:
        flags = ", ".join("--" + key.replace("_", "-") for key in changed)
        raise InputError(
            f"--resume goes on with the settings the training began with: leave out {flags}."
        )
    if name and (settings.runs_dir / name / "manifest.json").is_file():
        settle(settings.runs_dir / name)
        raise InputError(
            f"the run {name} is whole, there is nothing to go on with: see it with forecast scores "
            f"{name}."
        )
    name, checkpoint = find_stopped(settings.runs_dir, name)
    start = load_start(checkpoint, name)
    own = {"runs_dir": settings.runs_dir, "quiet": settings.quiet}
    terminal.heading(f"Going on with {name}, begun {start.created}: {' '.join(start.command)}")
    return Start(
        name,
        start.settings.model_copy(update=own),
        start.prepared,
        start.command,
        start.created,
        [*start.resumed, now()],
    )


def save_start(folder: Path, start: Start) -> None:
    """Write what `load_start` reads; the last file written is the one it looks for."""
    folder.mkdir(exist_ok=True)
    panel = start.prepared.panel
    if not start.resumed:
        runs.write_settings(folder, start.settings)
        store_panel(folder / PANEL, panel)
    files = {name: runs.file_sha256(folder / name) for name in ("settings.yaml", PANEL)}
    content = {
        "command": start.command,
        "created": start.created,
        "resumed": start.resumed,
        "notes": start.prepared.notes,
        "data": describe(panel),
        "files": files,
    }
    runs.write_json(folder / START, content)


def load_start(folder: Path, name: str, record: str = START) -> Start:
    """Read the start of a training from its checkpoint folder, or from `record` of a run.

    Raises InputError for files that are missing, damaged or changed since they were written.
    """
    content = runs.read_json(folder / record)
    runs.check_file(folder, "settings.yaml", record)
    settings = runs.read_settings(folder)
    panel = load_panel(runs.check_file(folder, PANEL, record), content["data"])
    prepared = Prepared(panel, make_splits(panel, settings), content["notes"])
    return Start(
        name, settings, prepared, content["command"], content["created"], content["resumed"]
    )


def _default(key: str) -> object:
    return Settings.model_fields[key].default


def now() -> str:
    """This moment in UTC, as ISO text."""
    return datetime.now(UTC).isoformat(timespec="seconds")
