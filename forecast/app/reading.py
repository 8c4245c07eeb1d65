"""What the app knows of a folder of runs: whole, broken and still being written ones."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from forecast.errors import InputError
from forecast.jobs.following import COLUMNS, PROGRESS
from forecast.report.reading import RunFolder
from forecast.report.words import listed, number, verdict
from forecast.runs import LATEST

State = Literal["whole", "broken", "in progress"]
#: What else is compared of two networks.
_FACTS = {
    "validation_crps": "validation CRPS",
    "params": "parameters",
    "fit_seconds": "seconds of training",
}


@dataclass(frozen=True)
class Entry:
    """One run as a line of the list; `problem` says what is wrong with a broken one."""

    name: str
    path: Path
    state: State
    problem: str = ""
    created: str = ""
    source: str = ""
    tickers: int = 0
    network: str = ""
    verdict: str = ""
    scale: str = "log"
    crps: dict[int, float] = field(default_factory=dict)  # by sessions ahead, of prices: log return

    @property
    def facts(self) -> dict[str, Any]:
        """Everything, for machines."""
        return asdict(self)

    @property
    def row(self) -> dict[str, Any]:
        """The line of the list."""
        factor, form = (1e4, ".1f") if self.scale == "log" else (1, ".4g")
        crps = [f"{h}: {number(of, form, factor)}" for h, of in sorted(self.crps.items())]
        return {
            "run": self.name,
            "state": self.state,
            "made on": self.created[:16].replace("T", " "),
            "source": self.source,
            "tickers": str(self.tickers or ""),
            "network": self.network,
            "CRPS": " / ".join(crps),
            "verdict": self.verdict or self.problem,
        }


def list_runs(runs_dir: Path) -> list[Entry]:
    """Return the runs of a folder, the newest first; InputError when the folder cannot be read."""
    try:
        folders = sorted(path for path in runs_dir.iterdir() if path.is_dir())
    except OSError as error:
        raise InputError(
            f"the folder {runs_dir} cannot be read: {error.strerror}; give the folder of your runs."
        ) from error
    entries = [entry for folder in folders if (entry := _entry(folder)) is not None]
    return sorted(entries, key=lambda entry: (entry.state == "in progress", entry.created))[::-1]


def _entry(folder: Path) -> Entry | None:
    """One run; None for folders that are none."""
    if folder.name.startswith("."):
        if not folder.name.endswith(".partial"):
            return None
        return Entry(folder.name[1 : -len(".partial")], folder, "in progress")
    named_like_a_run = any((folder / name).is_file() for name in ("manifest.json", "settings.yaml"))
    if folder.name == LATEST or not named_like_a_run:
        return None
    try:
        return _whole(RunFolder(folder))
    except Exception as error:  # whatever lies in a broken run, the others are listed
        return Entry(folder.name, folder, "broken", problem=f"{error}")


def _whole(run: RunFolder) -> Entry:
    manifest, model = run.manifest, run.model
    data = manifest["data"]
    of = run.json("metrics.json")["models"][model]
    skill = run.frame("significance.csv", ["model", "baseline", "h", "crps_skill", "verdict"])
    return Entry(
        name=run.path.name,
        path=run.path,
        state="whole",
        created=str(manifest.get("created", "")),
        source=str(data["source"]),
        tickers=len(data["tickers"]),
        network=model,
        verdict=verdict(skill, model).headline,
        scale=str(data.get("scale", "log")),
        crps={int(h): value for h, value in of["crps"].items()},
    )


def read_progress(draft: Path) -> pd.DataFrame:
    """Return what a training in progress wrote so far: one row per model, seed and epoch.

    Columns as in `forecast.jobs.following`; an epoch that was done again counts once. Raises
    InputError when there is nothing yet.
    """
    try:
        frame = RunFolder(draft).frame(PROGRESS, COLUMNS)
    except InputError as error:
        raise InputError(
            f"the training of {draft.name} has not finished an epoch yet, or was stopped: {error}"
        ) from error
    return frame.drop_duplicates(["model", "seed", "epoch"], keep="last")


def compare_scores(one: RunFolder, other: RunFolder) -> pd.DataFrame:
    """CRPS, MAE and coverage of the first network of two runs, and their ratio by row."""
    told = {run.name: run.json("metrics.json")["models"][run.model] for run in (one, other)}
    data = one.manifest["data"]
    crps = "CRPS (log return)" if data.get("scale", "log") == "log" else "CRPS (value)"
    mae = f"MAE ({data.get('unit', 'adjusted close')})"
    titles = {"crps": crps, "mae": mae, "coverage_90": "share in 90 % band"}
    rows = {}
    for score, title in titles.items():
        for h in sorted({int(h) for of in told.values() for h in of.get(score, {})}):
            values = {name: of.get(score, {}).get(str(h)) for name, of in told.items()}
            rows[f"{title}, {h} ahead"] = values
    for name, title in _FACTS.items():
        rows[title] = {run: of.get(name) for run, of in told.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(told))
    frame = frame.dropna(how="all").astype(float)
    frame["ratio"] = frame[other.name] / frame[one.name]
    return frame


def compare_settings(one: RunFolder, other: RunFolder) -> pd.DataFrame:
    """The settings in which two runs differ."""
    settings = {run.name: run.settings() for run in (one, other)}
    names = dict.fromkeys([*settings[one.name], *settings[other.name]])
    rows = {
        name: [str(of.get(name, "–")) for of in settings.values()]
        for name in names
        if settings[one.name].get(name) != settings[other.name].get(name)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(settings))


def comparable(one: RunFolder, other: RunFolder) -> str:
    """Say why two runs cannot be compared; empty when they were scored on the same prices."""
    first, second = one.manifest, other.manifest
    if first["data"].get("sha256") != second["data"].get("sha256"):
        return "they saw other prices: their scores cannot be compared."
    tickers = [set(of["data"]["tickers"]) for of in (first, second)]
    if tickers[0] != tickers[1]:
        apart = listed(sorted(tickers[0] ^ tickers[1]))
        return f"only one of them was scored on {apart}: their scores cannot be compared."
    spans = [of["splits"]["test"] for of in (first, second)]
    if spans[0] != spans[1]:
        said = [f"{span['first']} to {span['last']}" for span in spans]
        return f"they were scored on other dates ({listed(said)}): compare with care."
    return ""
