"""Files and names of people who mean harm, each with the command that meets it."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forecast import runs
from forecast.jobs.pretrained import pretrained_settings
from forecast.shipped import pretrained_folder
from forecast.torture.keras_files import files
from forecast.training.pretrained import file_of

_TICKERS = ["AAPL", "MSFT"]


@dataclass(frozen=True)
class Hostile:
    """One attack: `make` prepares it in an empty folder and returns the command's arguments.

    The command must refuse with a line that says `words`.
    """

    name: str
    make: Callable[[Path], list[str]]
    words: tuple[str, ...]


def every() -> list[Hostile]:
    """Every attack."""
    return [*_commands(), *_configs(), *_tables(), *_networks(), *_runs()]


def _commands() -> list[Hostile]:
    def typed(*arguments: str) -> Callable[[Path], list[str]]:
        return lambda folder: [
            *arguments,
            *(["--runs-dir", str(folder)] * (arguments[0] != "fetch")),
        ]

    return [
        Hostile("a run called ../x", typed("train", "--name", "../x"), ("no name of a run",)),
        Hostile("a run called CON", typed("train", "--name", "CON"), ("no name of a run",)),
        Hostile("a run with escapes", typed("train", "--name", "\x1b[2J"), ("\\x1b[2J",)),
        Hostile("a resumed ../x", typed("train", "--resume", "../x"), ("no name of a run",)),
        Hostile("a resumed /x", typed("train", "--resume", "/x"), ("no name of a run",)),
        Hostile("a ticker ../x", typed("train", "--tickers", "../x"), ("No ticker ../x",)),
        Hostile("a ticker of markup", typed("train", "--tickers", "[red]\x07"), ("[red]\\x07",)),
        Hostile("a path for Yahoo", typed("fetch", "../../v1/test/getcrumb"), ("is no ticker",)),
        Hostile("a query for Yahoo", typed("fetch", "A?x=1"), ("is no ticker",)),
        Hostile("no run", typed("predict", "\x1b]0;x\x07"), ("no run at \\x1b]0;x\\x07",)),
    ]


def _configs() -> list[Hostile]:
    aliases = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    texts = {
        "a billion laughs": (aliases, "aliases (*name) are not read"),
        "deep YAML": ("units: " + "[" * 10**5, "nested too deeply"),
        "long YAML": ("units: 1\n" * 200_000, "larger than 1 MB"),
        "YAML that calls": ("units: !!python/object/apply:os.system [ls]", "constructor"),
        "a number without end": ("units: " + "9" * 5000, "4300 digits"),
        "a hexadecimal number without end": ("units: 0x" + "f" * 9000, "more than 18 digits"),
        "a ticker with a NUL": ('tickers: ["a\\0b"]', "NUL"),
        "a name that is a path": ('name: "../../x"', "no name of a run"),
        "a key of escapes": ('"\\e[2J": 1', "no setting '\\x1b[2J'"),
        "a value without end": ("cell: " + "x" * 9000, "--cell"),
    }

    def written(text: str) -> Callable[[Path], list[str]]:
        def make(folder: Path) -> list[str]:
            (folder / "a.yaml").write_text(text, encoding="utf-8")
            return ["train", "--config", str(folder / "a.yaml"), "--runs-dir", str(folder)]

        return make

    return [Hostile(name, written(text), (says,)) for name, (text, says) in texts.items()]


def _tables() -> list[Hostile]:
    def zipped(content: bytes, times: int = 1) -> Callable[[Path], list[str]]:
        def make(folder: Path) -> list[str]:
            with gzip.open(folder / "a.csv.gz", "wb", compresslevel=1) as file:
                file.write(b"Date,Close\n")
                for _ in range(times):
                    file.write(content)
            return ["check", str(folder / "a.csv.gz")]

        return make

    day = b"2023-01-03,1.00\n"
    return [
        Hostile("a gzip bomb", zipped(day * 2**18, 65), ("larger than 256 MB",)),
        Hostile(
            "a bomb of empty lines",
            zipped(b"\n" * 2**22, 5),
            ("(41,943,044 cells); one file may have",),
        ),
        Hostile("a line without end", zipped(b"x," * 2**20), ("longer than 1 MB",)),
        Hostile(
            "a header of escapes",
            lambda folder: _check(folder, "Da\x1b[2Jte,[red]x\n1,2\n"),
            ("Da\\x1b[2Jte, [red]x",),
        ),
        Hostile(
            "a name of escapes",
            lambda folder: _check(folder, "Date,Ticker,Close\n2023-01-03,\x1b]0;x\x07,1\n"),
            ("cannot be used",),
        ),
    ]


def _check(folder: Path, text: str) -> list[str]:
    (folder / "a.csv").write_text(text, encoding="utf-8")
    return ["check", str(folder / "a.csv")]


def _networks() -> list[Hostile]:
    good = pretrained_folder() / file_of(0)

    def planted(content: bytes) -> Callable[[Path], list[str]]:
        return lambda folder: ["predict", str(made_run(folder, content))]

    attacks = [Hostile(k, planted(content), (says,)) for k, (content, says) in files(good).items()]

    def exchanged(folder: Path) -> list[str]:
        run = made_run(folder, good.read_bytes())
        (run / file_of(0)).write_bytes(good.read_bytes()[:-1] + b"x")
        return ["predict", str(run)]

    return [*attacks, Hostile("an exchanged network", exchanged, ("changed since it was written",))]


def _runs() -> list[Hostile]:
    def with_file(name: str, text: str) -> Callable[[Path], list[str]]:
        def make(folder: Path) -> list[str]:
            run = made_run(folder, b"")
            (run / name).write_text(text, encoding="utf-8")
            return ["predict", str(run)]

        return make

    texts = {
        "settings that call": (
            "settings.yaml",
            "!!python/object/apply:os.system [ls]",
            "cannot be",
        ),
        "settings of aliases": ("settings.yaml", "a: &a [1]\nb: *a", "aliases (*name)"),
        "a deep manifest": ("manifest.json", "[" * 10**5, "nested too deeply"),
        "a manifest that is a list": ("manifest.json", "[1]", "holds list, no object"),
        "an empty manifest": ("manifest.json", "{}", "has no data, splits"),
        "a manifest of nonsense": (
            "manifest.json",
            json.dumps(dict.fromkeys(runs.MANIFEST_KEYS, 1)),
            "cannot be used: data: input should be",
        ),
    }
    return [Hostile(k, with_file(name, text), (says,)) for k, (name, text, says) in texts.items()]


def made_run(folder: Path, network: bytes, **manifest: Any) -> Path:
    """Write the smallest run that `forecast predict` can use, with any bytes as its network."""
    run = folder / "run"
    (run / "models").mkdir(parents=True)
    settings = pretrained_settings().model_copy(
        update={"source": "bundled", "tickers": tuple(_TICKERS), "end": None, "seeds": 1}
    )
    runs.write_settings(run, settings)
    (run / file_of(0)).write_bytes(network)
    known = {
        "data": {"tickers": _TICKERS},
        "splits": {"validation": {"first": "2009-01-02"}, "test": {"first": "2010-01-04"}},
        "backtest": {},
        "seeds": [0],
        "files": {file_of(0): runs.file_sha256(run / file_of(0))},
    }
    runs.write_json(run / "manifest.json", known | manifest)
    return run
