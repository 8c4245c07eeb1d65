"""What was asked, the data, and how to repeat the run."""

import shlex
from collections.abc import Iterator
from typing import Any

import yaml

from forecast.report.parts import Code, Table, Text
from forecast.report.reading import RunFolder
from forecast.report.words import asked, listed, number, on_what

#: Lines of notes that are shown.
_MOST_NOTES = 200


def question(run: RunFolder) -> Iterator[Any]:
    """Say what was asked and on which data."""
    manifest = run.manifest
    yield Text([asked(run.settings(), manifest.get("data", {}))], "What was asked")
    yield Text([on_what(manifest)], "On which data")


def data_facts(run: RunFolder) -> Iterator[Any]:
    """The panel and how it was cut."""
    data, splits = run.manifest.get("data", {}), run.manifest.get("splits", {})
    yield Table(
        "The prices",
        ("", ""),
        [
            ("source", str(data.get("source", "?"))),
            ("tickers", listed(data.get("tickers", []), most=40)),
            ("sessions", f"{number(data.get('sessions'), ',')}"),
            ("first and last", f"{data.get('first', '?')} to {data.get('last', '?')}"),
            ("unit", str(data.get("unit", "adjusted close"))),
            ("calendar", str(data.get("calendar", "?"))),
            ("SHA-256", str(data.get("sha256", "?"))),
        ],
        left=(0, 1),
    )
    purpose = {"train": "learned from", "validation": "chose when to stop", "test": "scored on"}
    yield Table(
        "How they were split, by the dates of the forecasts",
        ("part", "first", "last", "what it is for"),
        [
            (part, str(splits[part].get("first", "?")), str(splits[part].get("last", "?")), why)
            for part, why in purpose.items()
            if part in splits
        ],
        left=(0, 1, 2, 3),
    )


def repairs(run: RunFolder) -> Iterator[Any]:
    """Everything that was repaired, noticed or left out."""
    notes = [str(note) for note in run.manifest.get("notes", [])]
    rest = len(notes) - _MOST_NOTES
    if rest > 0:
        notes = [*notes[:_MOST_NOTES], f"… and {rest} more, see manifest.json"]
    yield Text(
        ["In the prices:", *(notes or ["nothing had to be repaired and nothing was left out"])],
        "Repairs and remarks",
    )


def commands(run: RunFolder) -> Iterator[Any]:
    """What to type to get this run again."""
    typed = shlex.join(str(word) for word in run.manifest.get("command", []))
    name = shlex.quote(run.name)
    yield Text(
        [
            f"This run was made by “{typed}”. Its folder has its settings and its prices; in the "
            "folder of the runs the first command repeats it and says what differs, the second "
            "writes this page again:"
        ]
    )
    yield Code(
        f"forecast rerun {name} --runs-dir . --name again\nforecast report {name} --runs-dir ."
    )
    settings = yaml.safe_dump(run.settings(), sort_keys=False, allow_unicode=True)
    yield Code(settings, "Settings", folded=True)


def versions(run: RunFolder) -> Iterator[Any]:
    """Packages that can change the numbers."""
    manifest = run.manifest
    rows = [(str(name), str(found)) for name, found in manifest.get("versions", {}).items()]
    rows.append(("seeds", ", ".join(map(str, manifest.get("seeds", [])))))
    rows.append(("made on", str(manifest.get("created", "?"))))
    yield Table("Versions", ("", ""), rows, left=(0, 1), folded=True)


def files(run: RunFolder) -> Iterator[Any]:
    """The networks and their hashes."""
    rows = [(str(name), str(sha)) for name, sha in run.manifest.get("files", {}).items()]
    yield Table("Networks", ("file", "SHA-256"), rows, left=(0, 1), folded=True)
