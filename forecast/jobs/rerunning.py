"""`forecast rerun`: repeat a run from what its folder holds, and compare."""

import sys
from dataclasses import replace
from pathlib import Path

from forecast import runs
from forecast.errors import InputError
from forecast.jobs.sameness import compare_runs
from forecast.jobs.starting import Start, load_start, now
from forecast.jobs.terminal import Terminal
from forecast.jobs.versions import machine, versions
from forecast.prices import load_prices
from forecast.settings import OutputSettings


def repeat_of(run: Path, name: str | None, runs_dir: Path, terminal: Terminal) -> Start:
    """Return a start like that of a run, on the run's own copy of its prices.

    Says what is not as it was: versions, machine, and prices that the source gives otherwise now.
    Raises InputError when settings or prices in the folder were changed since they were written.
    """
    manifest = runs.read_manifest(run)
    start = load_start(run, run.name, "manifest.json")
    terminal.heading(f"Repeating {run.name} of {start.created}: {' '.join(start.command)}")
    changes = [
        *_changes(manifest, "versions", versions()),
        *_changes(manifest, "machine", machine()),
    ]
    changes += _other_prices(start)
    for line in changes:
        terminal.result(f"  changed since: {line}")
    terminal.data(changed_since=changes)
    settings = start.settings.model_copy(update={"runs_dir": runs_dir, "quiet": terminal.quiet})
    name = OutputSettings(name=name).name or runs.default_name(runs_dir, settings.source)
    command = [Path(sys.argv[0]).name, *sys.argv[1:]]
    return replace(start, name=name, settings=settings, command=command, created=now(), resumed=[])


def say_sameness(first: Path, second: Path, terminal: Terminal) -> bool:
    """Print which files of two runs are the same and what of the others differs; are all the same?

    Raises InputError when a manifest cannot be read.
    """
    same, other = compare_runs(first, second)
    total = len(same) + len(other)
    if same:
        terminal.result(
            f"The same in {first.name} and {second.name}, times aside: {', '.join(same)}"
        )
    for name, said in other:
        terminal.result(f"  differs: {name}: {said}")
    terminal.result(f"{len(same)} of {total} files are the same")
    terminal.data(same=same, differs=[each._asdict() for each in other])
    terminal.path(second)
    return not other


def _changes(manifest: dict[str, dict[str, str]], key: str, today: dict[str, str]) -> list[str]:
    """What of the versions or the machine is another today, in words."""
    before = manifest.get(key, {})
    return [
        f"{name} was {before.get(name, 'not noted')}, is {value}"
        for name, value in today.items()
        if before.get(name) != value
    ]


def _other_prices(start: Start) -> list[str]:
    """Say when a source on this machine gives other prices today than the run was made with."""
    if start.settings.source == "yahoo":
        return []
    known = start.prepared.panel
    try:
        found, _ = load_prices(start.settings)
    except InputError as error:
        return [f"the prices can no longer be read ({error}): the run's own copy is used"]
    if found.sha256 == known.sha256:
        return []
    return [
        f"the prices from source {start.settings.source} were {known.sha256[:12]} (SHA-256), are "
        f"{found.sha256[:12]}: the run's own copy is used"
    ]
