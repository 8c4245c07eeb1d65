"""Fuzzing: tables and settings, spoiled at random, never end in a traceback."""

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from forecast.torture.counts import Counts, Report
from forecast.torture.made import long, prices, temperatures, text, wide, yfinance_download
from forecast.torture.outcomes import outcome_of

_CELLS = (
    *(
        "",
        "NaN",
        "1e400",
        "-1",
        "0",
        "1.5",
        "1,5",
        "2023-01-05",
        "2023-01-07",
        "31/01/2023",
        "true",
    ),
    *(
        "=A1",
        "../x",
        "CON",
        '"',
        "'",
        "\x00",
        "\x1b[2J",
        "é",
        "\U0001d11e",
        "[red]",
        "9" * 400,
        "NA",
    ),
    *(
        "2023-01-05 00:00:00-05:00",
        "0001-01-01",
        "9999-12-31",
        "inf",
        "1_000",
        "0x1F",
        " ",
        "\ufeff",
    ),
)
_FLAGS = ((), (), (), ("--sep", ";"), ("--decimal", ","), ("--date-format", "%d/%m/%Y"))
_YAML = """\
source: csv
tickers: [AAPL, "007"]
start: 2001-01-02
cell:
  - lstm
  - gru
units: 16
lr: auto
dropout: 0.1
forget_bias: chrono
telemetry: economy
date-format: "%d/%m/%Y"
name: first
runs-dir: runs
quiet: true
"""
_VALUES = (
    *(
        "1",
        "-1",
        "0",
        "1e309",
        "0x" + "f" * 200,
        "2001-02-30",
        "yes",
        "~",
        "[]",
        "{}",
        "[[1]]",
        "''",
    ),
    *(
        "&a 1",
        "*a",
        "!!int x",
        "!!python/name:os.system",
        "1:2:3",
        "|",
        ">",
        "? a",
        "{a: 1}",
        ".nan",
    ),
    *("<<: {units: 1}", "\x1b", "\u2028", "'\\0'", '"\\0"', "%", "@", "`", "- 1", "[1, 2", "null"),
)
_BYTES = (
    b"\x00",
    b"\xff",
    b"\xfe\xff",
    b"\r",
    b"\n",
    b'"',
    b",",
    b";",
    b"\t",
    b"\xc3",
    b"\xed\xa0\x80",
)

#: One input: the name of its file, its bytes, and the command's arguments before and after it.
Made = tuple[str, bytes, list[str], list[str]]


def run(count: int, seed: int, report: Report) -> Counts:
    """Try so many spoiled inputs; the same seed makes the same ones."""
    kinds: dict[str, Callable[[random.Random], Made]] = {
        "tables, bytes changed": _changed_table,
        "tables, cells changed": _changed_cells,
        "settings, bytes changed": _changed_settings,
        "settings, values changed": _changed_values,
    }
    faults, tried = [], dict.fromkeys(kinds, 0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            if number % 500 == 0:
                report(f"fuzz {number:,} of {count:,}")
            kind = list(kinds)[number % len(kinds)]
            tried[kind] += 1
            file, content, before, after = kinds[kind](random.Random(seed * count + number))
            path = Path(folder) / file
            path.write_bytes(content)
            unclear = outcome_of([*before, str(path), *after]).unclear()
            if unclear:
                faults.append(f"{kind}, {number}: {unclear}: {content[:2000]!r}")
    return Counts("fuzz", count, "tracebacks", len(faults), tuple(faults), tried)


def _seeds() -> list[str]:
    """Good tables of every layout, short."""
    two = ["AAPL", "MSFT"]
    parts = [text(prices(12)), text(long(two, 8)), text(wide(two, 12)), temperatures(rows=14)]
    return [*parts, "\n".join(yfinance_download().splitlines()[:12]) + "\n"]


_TABLES = _seeds()


def _changed_table(rng: random.Random) -> Made:
    content = _spoil(rng.choice(_TABLES).encode(), rng)
    return rng.choice(["AAPL.csv", "a b.csv"]), content, ["check"], list(rng.choice(_FLAGS))


def _changed_cells(rng: random.Random) -> Made:
    rows = [line.split(",") for line in rng.choice(_TABLES).splitlines()]
    for _ in range(rng.randint(1, 4)):
        row = rng.choice(rows)
        if row:
            row[rng.randrange(len(row))] = rng.choice(_CELLS)
    for _ in range(rng.randint(0, 2)):
        at = rng.randrange(len(rows))
        rows[at] = rng.choice([[], rows[0], rows[at] * 2, rows[at][:2], ["", ""], rows[at][::-1]])
    if rng.random() < 0.2:
        rng.shuffle(rows)
    lines = rng.choice(["\n", "\r\n", "\n\n", "\r"]).join(",".join(row) for row in rows)
    code = rng.choice(["utf-8"] * 4 + ["utf-8-sig", "utf-16"])
    return "AAPL.csv", lines.encode(code, "surrogatepass"), ["check"], list(rng.choice(_FLAGS))


def _changed_settings(rng: random.Random) -> Made:
    return _trained(_spoil(_YAML.encode(), rng))


def _changed_values(rng: random.Random) -> Made:
    lines = [line.split(": ", 1) for line in _YAML.splitlines()]
    for _ in range(rng.randint(1, 3)):
        line = rng.choice(lines)
        line[-1] = rng.choice(_VALUES)
    return _trained("\n".join(": ".join(line) for line in lines).encode("utf-8", "surrogatepass"))


def _trained(content: bytes) -> Made:
    """Settings for a training whose prices are not there: it never begins."""
    nothing = ["--source", "csv", "--csv", "none.csv"]
    return "settings.yaml", content, ["train", *nothing, "--config"], []


def _spoil(content: bytes, rng: random.Random) -> bytes:
    """Change, drop, repeat, move or insert a few bytes; sometimes cut the end off."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        end = at + rng.randint(1, 12)
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end] * rng.randint(1, 3)
            case 3:
                data[at:at] = rng.choice(_BYTES)
            case _:
                data[at:at] = rng.choice(_CELLS + _VALUES).encode("utf-8", "surrogatepass")
    return bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.1 else data)
