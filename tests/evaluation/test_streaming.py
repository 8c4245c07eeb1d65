import numpy as np
import pandas as pd
import pytest

from forecast.evaluation.backtest import make_cutoffs, walk_forward
from forecast.evaluation.scores import scores
from forecast.evaluation.streaming import scores_by_date
from forecast.models.baselines import EwmaT


@pytest.mark.parametrize("size", [7, 100, 10_000])
def test_scores_by_date_are_the_means_of_the_scores_whatever_the_parts(make_panel, size):
    panel = make_panel(tickers=4, sessions=300, seed=1, holes=12, late=250)
    cutoffs = make_cutoffs(panel, panel.sessions[200])
    backtest = walk_forward({"ewma-t": EwmaT()}, panel, cutoffs, (1, 5))
    quantiles = backtest.quantiles["ewma-t"]
    rows = np.arange(len(cutoffs))
    parts = ((part, quantiles[part]) for part in np.split(rows, range(size, len(rows), size)))
    found = scores_by_date(parts, panel, cutoffs, (1, 5))
    table = scores(backtest, panel).dropna(subset="crps")
    grouped = table.groupby(["h", "cutoff"])
    wanted = grouped.agg(
        origins=("crps", "size"), crps=("crps", "mean"), coverage_90=("covered_90", "mean")
    )
    pd.testing.assert_frame_equal(
        found.set_index(["h", "cutoff"]), wanted, check_dtype=False, check_index_type=False
    )
