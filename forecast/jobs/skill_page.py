"""The page of measured skill: made of the benchmark results that lie beside it."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from forecast import runs
from forecast.report.words import p_value

HEAD = """# Skill, measured

How much of a baseline's CRPS the network saves on prices it has not seen, each part walked through
once after one training (three seeds, their quantiles averaged), with the stop chosen by the
validation part before it. Positive is better than the baseline; p is Diebold–Mariano's, on CRPS
averaged over tickers by date.

Settings and features were chosen on validation parts that end before 2016; 2013 to 2015 counted
most, so that part flatters. The part from 2016 on decided nothing. It was scored twice, before and
after a mended fault in the data of 1990 (95.64 / 215.74 / 435.25 the first time).

This page is written by the benchmarks, `--page docs/skill.md`; the results lie in
[docs/skill](skill).
"""
PEERS_HEAD = """## Beside NeuralForecast

`python scripts/bench_peers.py`: its LSTM and DeepAR on the same split and at equal origins, one
network of theirs per horizon; seconds on the same cores, training and forecasting of every origin.
"""


def publish(result: dict[str, Any], figure: Path | None, page: Path) -> None:
    """Put a result (and its figure) beside `page` under its name and write the page anew."""
    beside = page.with_suffix("")
    runs.make_folder(beside, "--page")
    runs.write_json(beside / f"{result['name']}.json", result)
    if figure:
        shutil.copyfile(figure, beside / f"{result['name']}.png")
    runs.write_atomic(page, render(beside))


def render(folder: Path) -> str:
    """Return the page of the results in `folder`, in the order of their names."""
    found = [runs.read_json(path) for path in sorted(folder.glob("*.json"))]
    skills = [each for each in found if each["benchmark"] == "skill"]
    peers = [each for each in found if each["benchmark"] == "peers"]
    parts = [HEAD]
    if skills:
        parts += ["## By part of the history\n", _overview(skills)]
    parts += [_skill(result, folder.name) for result in skills]
    if peers:
        parts += [PEERS_HEAD, *(_peers(result) for result in peers)]
    return "\n".join(parts)


def name_of(source: str, splits: dict[str, Any]) -> str:
    """Name of a result: where the prices are from and the years they were scored in."""
    first, last = (splits["test"][edge][:4] for edge in ("first", "last"))
    return f"{source}-{first}-{last}"


def _overview(results: Iterable[dict[str, Any]]) -> str:
    rows = []
    for result in results:
        test = result["splits"]["test"]
        against = {name: _skills(result, name) for name in ("ewma-t", "gjr")}
        rows.append(
            (
                f"[{result['name']}](#{result['name']})",
                f"{test['first']} to {test['last']}",
                f"{result['origins']:,}",
                " / ".join(f"{each:+.2f}" for each in _ascending(result["skill_of_best"])),
                *against.values(),
                " / ".join(
                    f"{100 * each:.1f}" for each in _ascending(result["coverage_90"]["lstm"])
                ),
            )
        )
    horizons = " / ".join(sorted(next(iter(results))["skill_of_best"], key=int))
    ahead = f"% at {horizons} sessions"
    return table(
        ("", "scored", "origins", f"skill against the best, {ahead}", "against ewma-t (p)",
         "against gjr (p)", f"90 % band covers, {ahead}"),
        rows,
    )  # fmt: skip


def _skills(result: dict[str, Any], baseline: str) -> str:
    of = [row for row in result["skill"] if row["baseline"] == baseline]
    rows = sorted(of, key=lambda row: row["h"])
    return " / ".join(f"{100 * row['crps_skill']:+.2f} ({p_value(row['p_value'])})" for row in rows)


def _skill(result: dict[str, Any], folder: str) -> str:
    splits, cost = result["splits"], result["cost"]
    seeds = ", ".join(f"{each:.1f}" for each in cost["fit_seconds"])
    beat = ", ".join("never" if each is None else f"{each:.1f}"
                     for each in cost["seconds_to_beat_ewma_on_validation"])  # fmt: skip
    return (
        f"## {result['name']}\n\n"
        f"`python scripts/bench_skill.py {result['arguments']}`: {result['tickers']} tickers, "
        f"learned from {splits['train']['first']} to {splits['train']['last']}, validated to "
        f"{splits['validation']['last']}.\n\n{_crps(result)}\n"
        f"![Skill of the ensemble against each baseline]({folder}/{result['name']}.png)\n\n"
        f"A seed was trained in {seeds} s, and better than the EWMA-t on the validation part after "
        f"{beat} s; {cost['forecast_origins']:,} origins × {result['horizon']} horizons are "
        f"forecast by one network in {cost['forecast_seconds']:.1f} s ({result['cores']} cores).\n"
    )


def _peers(result: dict[str, Any]) -> str:
    cost = result["cost"]
    rows = [
        (name, f"{of['params']:,}", f"{of['fit_seconds']:.0f}", f"{of['backtest_seconds']:.1f}")
        for name, of in cost.items()
    ]
    return (
        f"### {result['name']}\n\n{_crps(result)}\n"
        f"{table(('', 'weights', 'training (s)', 'forecasting (s)'), rows)}"
    )


def _crps(result: dict[str, Any]) -> str:
    crps, coverage = result["crps_1e4"], result["coverage_90"]
    rows = [
        (
            name,
            *(f"{each:.2f}" for each in _ascending(crps[name])),
            *(f"{100 * each:.1f}" for each in _ascending(coverage[name])),
        )
        for name in sorted(crps, key=lambda name: (name != "lstm", name))
    ]
    horizons = sorted(next(iter(crps.values())), key=int)
    titles = [f"CRPS {h} (1e-4 log return)" for h in horizons]
    return table(("", *titles, *(f"90 % covers {h} (%)" for h in horizons)), rows)


def _ascending(by_horizon: dict[str, float]) -> list[float]:
    """Values by horizon, the nearest first; JSON files sort 20 before 5."""
    return [by_horizon[h] for h in sorted(by_horizon, key=int)]


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; the first column is text, the others numbers."""
    titles = list(titles)
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
