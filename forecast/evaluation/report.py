"""The verdict for machines: the scores part of metrics.json."""

from typing import Any

import numpy as np
import pandas as pd

#: Columns of `summary` that are written per model and horizon.
WRITTEN = ("crps", "mae", "coverage_90")


def metrics_json(means: pd.DataFrame, skill: pd.DataFrame) -> dict[str, Any]:
    """Build ``{"models": …, "skill": …}`` of metrics.json from `summary` and `skill_table`.

    ``models[name][score][horizon]`` and ``skill[name][baseline][horizon]`` with ``crps_skill``,
    ``p_value`` and ``verdict``; horizons are strings, numbers that do not exist None.
    """
    models: dict[str, Any] = {}
    for row in means.to_dict("records"):
        scores = models.setdefault(str(row["model"]), {name: {} for name in WRITTEN})
        for name in WRITTEN:
            scores[name][str(row["h"])] = _number(row[name])
    verdicts: dict[str, Any] = {}
    for row in skill.to_dict("records"):
        by_baseline = verdicts.setdefault(str(row["model"]), {})
        by_baseline.setdefault(str(row["baseline"]), {})[str(row["h"])] = {
            "crps_skill": _number(row["crps_skill"]),
            "p_value": _number(row["p_value"]),
            "verdict": row["verdict"],
        }
    return {"models": models, "skill": verdicts}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
