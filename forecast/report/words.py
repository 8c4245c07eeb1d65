"""What a run asked, on which data and how it ended, in plain sentences."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from forecast.counts import ahead, counted


class Verdict(NamedTuple):
    """The outcome of the tests in words: one headline, one line per horizon."""

    headline: str
    lines: list[str]


def listed(items: Sequence[object], most: int = 12) -> str:
    """Return "a", "a and b", "a, b and c"; beyond `most` the rest is counted."""
    words = [str(item) for item in items]
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} more"]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))


def number(value: object, form: str, factor: float = 1) -> str:
    """Format a number, with a real minus sign; a dash where there is none."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return format(factor * value, form).replace("-", "−") if known else "–"  # type: ignore[operator]


def p_value(p: object) -> str:
    """Format a p-value: none is zero; a dash where there is none."""
    return "< 0.001" if isinstance(p, float) and p < 0.001 else number(p, ".3f")


def each(values: pd.Series, form: str, factor: float = 1, unit: str = "") -> str:
    """Return "lstm 4.5; gru 3.1": every name of the index with its number."""
    return "; ".join(f"{name} {number(v, form, factor)}{unit}" for name, v in values.items())


def asked(settings: dict[str, Any], data: dict[str, Any]) -> str:
    """Say what was to be forecast."""
    horizon, lookback = settings.get("horizon", "?"), settings.get("lookback", "?")
    tickers = data.get("tickers") or ["?"]
    return (
        f"How far may the price of {listed(tickers)} move over the next 1 to {horizon} sessions? "
        f"Each forecast is a whole distribution, made from at most {lookback} sessions of the past."
    )


def on_what(manifest: dict[str, Any]) -> str:
    """Say on which data the networks learned and were scored."""
    data, splits = manifest.get("data", {}), manifest.get("splits", {})
    test, validation = splits.get("test", {}), splits.get("validation", {})
    trials = manifest.get("tuned_trials", 0)
    tuned = f" Their settings were chosen among {counted(trials, 'trial')} there." if trials else ""
    folds = manifest.get("backtest", {}).get("folds") or [{}]
    some = (
        f" Forecast and scored are {number(folds[0]['tickers'], ',')} of the tickers, taken evenly "
        "from A to Z."
        if "tickers" in folds[0]
        else ""
    )
    return (
        f"Prices from the source “{data.get('source', '?')}”: "
        f"{counted(len(data.get('tickers', [])), 'ticker')}, "
        f"{number(data.get('sessions'), ',')} sessions from {data.get('first', '?')} to "
        f"{data.get('last', '?')}. The networks learned from the sessions before "
        f"{validation.get('first', '?')}, were chosen on those before {test.get('first', '?')}, "
        f"and are scored on those from there to {test.get('last', '?')}, which they had never seen."
        f"{some}{tuned}"
    )


def verdict(skill: pd.DataFrame, model: str) -> Verdict:
    """Put the tests of one model against every baseline into words."""
    rows = skill[skill["model"] == model]
    lines = [f"{ahead(h)}: {_by_verdict(group)}." for h, group in rows.groupby("h")]
    worse = rows[rows["verdict"] == "worse"]
    if rows.empty:
        return Verdict(f"{model} was compared with no baseline.", [])
    if (rows["verdict"] == "better").all():
        return Verdict(f"{model} was better than every baseline at every horizon.", lines)
    if len(worse):
        names = listed(list(dict.fromkeys(worse["baseline"])))
        return Verdict(f"{model} was worse than {names} at some horizon.", lines)
    return Verdict(f"No baseline was better than {model}. {_count(rows)}", lines)


def _count(rows: pd.DataFrame) -> str:
    better = rows[rows["verdict"] == "better"]
    if better.empty:
        return "It could not be told apart from any of them."
    counts = [f"{len(of)} ({ahead(h)})" for h, of in better.groupby("h")]
    return (
        f"Of the {rows['baseline'].nunique()} baselines it was better than {listed(counts)}; from "
        "the others it could not be told apart."
    )


def _by_verdict(rows: pd.DataFrame) -> str:
    said = []
    for word, link in (("better", "than"), ("not distinguishable", "from"), ("worse", "than")):
        names = list(rows.loc[rows["verdict"] == word, "baseline"])
        if names:
            said.append(f"{word} {link} {listed(names)}")
    return "; ".join(said) or "no test was possible"


def strongest(skill: pd.DataFrame, model: str) -> pd.DataFrame:
    """Rows of the baseline that came closest to the model, one per horizon."""
    rows = skill[(skill["model"] == model) & skill["crps_skill"].notna()]
    return rows.loc[rows.groupby("h")["crps_skill"].idxmin()].sort_values("h")


def coverage(calibration: pd.DataFrame, band: int) -> pd.DataFrame:
    """Share of outcomes in the central band (per cent): ``model, h, coverage``."""
    tail = round((1 - band / 100) / 2, 4)
    level = calibration["level"].round(4)
    keys = ["model", "h"]
    high = calibration[level == round(1 - tail, 4)].set_index(keys)["observed"]
    low = calibration[level == tail].set_index(keys)["observed"]
    return (high - low).rename("coverage").reset_index()
