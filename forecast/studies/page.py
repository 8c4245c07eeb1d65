"""The page of all studies: made of the results that lie beside it, whoever ran them."""

import shutil
from pathlib import Path
from typing import Any

from forecast import runs
from forecast.counts import counted
from forecast.studies import NAMES

HEAD = """# Studies

What the literature claims of recurrent networks, run here. Each study is one file in
`forecast/studies/`; `python scripts/study.py NAME` runs it anew, `--quick` in seconds. Verdicts are
computed from the numbers, and stay when they contradict the paper. Where the column "paper" says
"about", the number is told from memory and is no quotation. This page is written by
`python scripts/study.py all --page docs/studies.md`.
"""


def publish(folder: Path, page: Path) -> None:
    """Copy result and figure of a study beside `page` and write the page anew."""
    beside = page.with_suffix("")
    runs.make_folder(beside, "--page")
    content = runs.read_json(folder / "result.json")
    runs.write_json(beside / f"{content['name']}.json", content)
    shutil.copyfile(folder / "figure.png", beside / f"{content['name']}.png")
    runs.write_atomic(page, render(beside))


def render(folder: Path) -> str:
    """Return the page of the results in `folder`, in the order of `NAMES`."""
    found = [runs.read_json(path) for name in NAMES if (path := folder / f"{name}.json").is_file()]
    table = ["| study | claim | paper | ours | verdict |", "|---|---|---|---|---|"]
    for result in found:
        for claim in result["claims"]:
            cells = (
                f"[{result['name']}](#{result['name']})",
                claim["says"],
                f"{claim['published']} ({claim['paper']})",
                claim["ours"],
                claim["verdict"],
            )
            table.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    parts = [HEAD, "\n".join(table) + "\n", *(_section(result, folder.name) for result in found)]
    return "\n".join(parts)


def _section(result: dict[str, Any], folder: str) -> str:
    name, seeds = result["name"], result["seeds"]
    size = f"{counted(seeds, 'seed')}{', small sizes' if result['quick'] else ''}"
    return (
        f"## {name}\n\n{result['shows']}\n\n"
        f"{result['task']} ({size})\n\n"
        f"![{result['shows']}]({folder}/{name}.png)\n"
    )
