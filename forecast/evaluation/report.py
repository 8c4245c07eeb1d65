"""The verdict for machines: the scores part of metrics.json."""

from typing import Any

import numpy as np
import pandas as pd

from forecast.evaluation.scorecard import Scorecard

#: Columns of `skill_table` that are written beside the verdict.
_SKILL = ("crps_skill", "ci_low", "ci_high", "p_value", "sessions", "detectable_skill")


def metrics_json(card: Scorecard) -> dict[str, Any]:
    """Build ``models``, ``skill``, ``confidence_set`` and ``origins`` of metrics.json.

    ``models[name][score][horizon]`` with every column of `summary`, and for an ensemble
    ``crps_by_seed[horizon]``; ``skill[name][baseline][horizon]`` with the numbers behind the
    ``verdict``; ``confidence_set[horizon]`` names the models that may be the best. Horizons are
    strings, numbers that do not exist None.
    """
    seeds = {name: card.seeds_of(name) for name in card.networks}
    apart = {member for members in seeds.values() for member in members}
    means = card.means
    models: dict[str, Any] = {}
    for row in means[~means["model"].isin(apart)].to_dict("records"):
        name, h = str(row.pop("model")), str(row.pop("h"))
        row.pop("origins")
        for score, value in row.items():
            models.setdefault(name, {}).setdefault(score, {})[h] = _number(value)
    for name, members in seeds.items():
        if members:
            rows = means[means["model"].isin(members)].groupby("h")["crps"]
            models[name]["crps_by_seed"] = {str(h): crps.tolist() for h, crps in rows}
    verdicts: dict[str, Any] = {}
    for row in card.significance.to_dict("records"):
        by_baseline = verdicts.setdefault(str(row["model"]), {})
        numbers = {name: _number(row[name]) for name in _SKILL}
        by_horizon = by_baseline.setdefault(str(row["baseline"]), {})
        by_horizon[str(row["h"])] = {**numbers, "verdict": row["verdict"]}
    best = card.confidence_set[card.confidence_set["included"].astype(bool)]
    return {
        "models": models,
        "skill": verdicts,
        "confidence_set": {str(h): list(rows["model"]) for h, rows in best.groupby("h")},
        "origins": {str(h): int(n) for h, n in means.groupby("h")["origins"].max().items()},
    }


def _number(value: Any) -> float | None:
    return None if pd.isna(value) or np.isinf(value) else float(value)
