"""The card of the pretrained network, for people: what it is, what it was scored on, its limits."""

from collections.abc import Iterator
from typing import Any

from forecast.escaping import markdown
from forecast.report.words import p_value

TEXT = """# The pretrained network

A small LSTM that forecasts the distribution of a stock's next {horizon} sessions at once, without
training. {members} networks of {params:,} weights each; their quantiles are averaged. It needs
{need} sessions of adjusted closes and no highs, lows or volume.

    python scripts/predict.py --pretrained --tickers META
    python scripts/train.py --from-pretrained --source yahoo --tickers META --test-start 2022-01-03

It knows two situations: a stock alone, and a stock among others, whose mean is then its market.
A stock it never saw is forecast like any other.

## What it learned from

Prices up to **{until}**, nothing later: trained to {train_last}, stopped by its CRPS on
{validation_first} to {validation_last}. {count} stocks: {tickers}.

| data | sha256 |
|---|---|
{sources}

All of them are large US companies that still existed years later. Its files (sha256):

{files}

Made by `{command}` (Python {python}, TensorFlow {tensorflow}).

## What it was scored on

{count_scored} stocks of the set sp500, {origins:,} origins from {first} to {last}.
{honesty} CRPS in 1e-4 log return, lower is better; skill is the share of
the rival's CRPS that is saved, with the p-value of a Diebold–Mariano test; "never seen" means one
network, not {members}, trained without the stock in question.

{scores}

With the last {short_sessions} sessions alone, every {short_step} sessions ({short_origins:,}
origins), against an EWMA-t with the same {short_sessions}:

{short}

## Where it fails

{failures}
- It says how wide, not where to: its median hardly leaves today's price.
- It was not scored on small companies, indices, currencies, crypto, other exchanges, or on anything
  that is no price. Expect less there; measure first.
- Companies that went under before the data was collected are not in it; a fall to nothing is not in
  what it learned.
- Its past ends on {until}. What has changed in markets since, it does not know:
  `train.py --from-pretrained` tells it.
- Dates up to {until} are refused as a test part, whatever the stock: it has seen those days.
"""

#: When the networks themselves were scored, and when others of the same recipe were.
SCORED = "Walked through once, after everything was decided."
REHEARSED = (
    "Not these networks, which have learned from those dates since, but others of the same recipe "
    "that ended on **{until}**. Choices such as the lookback were made on the same dates, so "
    "expect a little less. No date after {end} has been looked at yet: `python scripts/pretrain.py "
    "--score` will, once."
)


def card_text(manifest: dict[str, Any]) -> str:
    """Return the card in Markdown, from the manifest that `pretrain` writes."""
    scores, splits, settings = manifest["scores"], manifest["splits"], manifest["settings"]
    data = manifest["data"]
    return TEXT.format(
        horizon=settings["horizon"],
        members=len(manifest["seeds"]),
        params=manifest["params"],
        need=manifest["need_sessions"],
        until=manifest["last_training_date"],
        train_last=splits["train"]["last"],
        validation_first=splits["validation"]["first"],
        validation_last=splits["validation"]["last"],
        count=len(data["tickers"]),
        tickers=markdown(", ".join(data["tickers"])),
        sources="\n".join(f"| {name} | `{sha}` |" for name, sha in manifest["sources"].items()),
        files="\n".join(f"- {name}: `{sha}`" for name, sha in manifest["files"].items()),
        command="python scripts/" + " ".join(manifest["command"]),
        python=manifest["versions"]["python"],
        tensorflow=manifest["versions"]["tensorflow"],
        honesty=_honesty(manifest),
        count_scored=scores["tickers"],
        origins=scores["origins"],
        first=scores["first_origin"],
        last=scores["last_origin"],
        scores="\n".join(_table(scores, _rivals(scores))),
        short_sessions=scores["short"]["sessions"],
        short_step=scores["short"]["step"],
        short_origins=scores["short"]["origins"],
        short="\n".join(_table(scores["short"], {"ewma-t": {}})),
        failures="\n".join(_failures(scores)),
    )


def _honesty(manifest: dict[str, Any]) -> str:
    until, end = manifest["scores"]["last_training_date"], manifest["last_training_date"]
    return SCORED if until == end else REHEARSED.format(until=until, end=end)


def _rivals(scores: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Columns of the table: EWMA-t, and whichever rival is best at each horizon."""
    return {"ewma-t": {}, "the best rival": scores["best_rival"]}


def _table(scores: dict[str, Any], rivals: dict[str, dict[str, str]]) -> Iterator[str]:
    header = (
        "sessions ahead",
        "shown",
        "CRPS",
        "90 % band covers",
        *(f"against {r}" for r in rivals),
    )
    yield "| " + " | ".join(header) + " |"
    yield "|---" * len(header) + "|"
    skill = {(r["model"], r["baseline"], r["h"]): r for r in scores["skill"]}
    ways = dict.fromkeys(r["model"] for r in scores["skill"])
    for row in sorted(scores["crps"], key=lambda r: r["h"]):
        if row["model"] not in ways:
            continue
        cells = [str(row["h"]), row["model"], f"{1e4 * row['crps']:.2f}"]
        cells.append(f"{100 * row['coverage_90']:.1f} %")
        for name, by_h in rivals.items():
            rival = by_h.get(str(row["h"]), name)
            against = skill[row["model"], rival, row["h"]]
            told = f"{100 * against['crps_skill']:+.2f} % (p {p_value(against['p_value'])})"
            cells.append(f"{told} {rival}" if by_h else told)
        yield "| " + " | ".join(cells) + " |"


def _failures(scores: dict[str, Any]) -> Iterator[str]:
    """What the scores themselves say against it."""
    lost = [r for r in scores["by_year"] if r["crps_skill"] < 0]
    years = [r["year"] for r in scores["by_year"]]
    for way in dict.fromkeys(r["model"] for r in scores["by_year"]):
        cases = ", ".join(f"{r['year']} at {r['h']}" for r in lost if r["model"] == way)
        yield (
            f"- {way.capitalize()}, worse than EWMA-t in these years of {min(years)} to "
            f"{max(years)} at so many sessions ahead: {cases or 'none'}."
        )
    for r in scores["skill"]:
        if r["verdict"] != "better":
            word = "from" if r["verdict"].startswith("not") else "than"
            yield (
                f"- {r['model'].capitalize()}, {r['h']} ahead: {r['verdict']} {word} "
                f"{r['baseline']} ({100 * r['crps_skill']:+.2f} %, p {p_value(r['p_value'])})."
            )
