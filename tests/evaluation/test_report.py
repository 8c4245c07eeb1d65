import json

import numpy as np
import pandas as pd

from forecast.evaluation.report import metrics_json


def test_metrics_json_nests_scores_and_verdicts_by_name_and_horizon():
    means = pd.DataFrame(
        {
            "model": pd.Categorical(["lstm", "lstm", "drift"]),
            "h": [1, 20, 1],
            "origins": 10,
            "crps": [0.01, 0.02, 0.03],
            "mae": [1.0, 2.0, 3.0],
            "coverage_90": [0.9, 0.8, np.nan],
        }
    )
    skill = pd.DataFrame(
        {
            "model": ["lstm", "lstm"],
            "baseline": "drift",
            "h": [1, 20],
            "crps_skill": [0.1, 0.2],
            "p_value": [0.01, np.nan],
            "verdict": ["better", "not distinguishable"],
        }
    )
    got = json.loads(json.dumps(metrics_json(means, skill), allow_nan=False))
    assert got["models"]["lstm"]["crps"] == {"1": 0.01, "20": 0.02}
    assert got["models"]["drift"]["coverage_90"] == {"1": None}
    assert got["skill"]["lstm"]["drift"]["1"] == {
        "crps_skill": 0.1,
        "p_value": 0.01,
        "verdict": "better",
    }
    assert got["skill"]["lstm"]["drift"]["20"]["p_value"] is None
