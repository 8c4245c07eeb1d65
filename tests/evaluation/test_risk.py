import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from forecast.evaluation.risk import apart, christoffersen, kupiec, risk_summary, risk_table


def test_kupiec_equals_the_likelihood_ratio_of_two_binomials():
    hits = np.zeros(500)
    hits[:37] = 1
    logpmf = stats.binom.logpmf(37, 500, [37 / 500, 0.05])
    expected = stats.chi2.sf(2 * (logpmf[0] - logpmf[1]), 1)
    assert kupiec(hits, 0.05) == pytest.approx(expected)
    assert kupiec(hits, 37 / 500) == pytest.approx(1)
    assert 0 < kupiec(np.zeros(500), 0.01) < 0.01  # none in 500 is too few for 1 %


def test_christoffersen_equals_the_markov_chain_written_out():
    hits = (np.random.default_rng(0).random(600) < 0.08).astype(int)
    count = np.zeros((2, 2))
    for before, after in itertools.pairwise(hits):
        count[before, after] += 1
    chain = sum(count[s] @ np.log(count[s] / count[s].sum()) for s in (0, 1))
    total = count.sum(axis=0)
    null = total @ np.log([0.95, 0.05])
    expected = stats.chi2.sf(2 * (chain - null), 2)
    assert christoffersen(hits.astype(float), 0.05) == pytest.approx(expected)


def test_violations_in_clusters_are_rejected_though_their_share_is_right():
    spread = np.zeros(600)
    spread[::20] = 1
    clustered = np.zeros(600)
    clustered[:30] = 1
    assert kupiec(spread, 0.05) == kupiec(clustered, 0.05) > 0.9
    assert christoffersen(clustered, 0.05) < 1e-6 < christoffersen(spread, 0.05)


def test_the_sizes_are_what_they_say():
    rng = np.random.default_rng(1)
    p = np.array(
        [
            (kupiec(hits, 0.05), christoffersen(hits, 0.05))
            for hits in (rng.random((400, 1000)) < 0.05).astype(float)
        ]
    )
    assert np.all(np.mean(p < 0.05, axis=0) < 0.10)
    assert np.all(np.mean(p < 0.05, axis=0) > 0.015)


def test_the_table_counts_tickers_that_fail_and_uses_outcomes_that_do_not_overlap():
    rng = np.random.default_rng(2)
    days = pd.bdate_range("2015-01-01", periods=2000)
    parts = []
    for ticker, share in (("A", 0.05), ("B", 0.05), ("C", 0.12), ("D", 0.05)):
        hits = (rng.random(2000) < share).astype(float)
        hits[1::2] = 1  # between the cutoffs that are used two sessions ahead
        rows = pd.DataFrame({"unique_id": ticker, "cutoff": days, "h": 2, "model": "m"})
        rows = rows.assign(crps=1.0, below_5=hits, below_1=0.0, session=range(2000))
        parts.append(rows.tail(50) if ticker == "D" else rows)
    risk = risk_table(pd.concat(parts, ignore_index=True))
    one = risk[(risk["unique_id"] == "C") & (risk["level"] == 0.05)].iloc[0]
    hits = parts[2]["below_5"].to_numpy()[::2]
    assert (one["outcomes"], one["violations"]) == (1000, hits.mean())
    assert one["kupiec"] == kupiec(hits, 0.05)
    assert one["christoffersen"] == christoffersen(hits, 0.05)
    same = risk[risk["level"] == 0.05]
    expected = multipletests(same["christoffersen"], method="holm")[1]
    np.testing.assert_allclose(same["christoffersen_holm"], expected)
    got = risk_summary(risk).set_index("level")
    assert got.loc[0.05, "tickers"] == 3  # D has 25 outcomes that do not overlap
    assert got.loc[0.05, "kupiec_rejected"] == 1
    assert got.loc[0.05, "christoffersen_rejected"] == 1
    assert got.loc[0.05, "violations"] == pytest.approx(0.073, abs=0.01)
    assert got.loc[0.01, "kupiec_rejected"] == 3


def test_cutoffs_that_lie_apart_already_are_all_used():
    every = np.arange(0, 200, 5)
    assert list(apart(every, 5)) == list(every)
    assert list(apart(every, 12)) == list(range(0, 200, 15))
    assert list(apart(np.array([3, 4, 9, 10, 11, 30]), 5)) == [3, 9, 30]
    assert apart(np.array([], int), 5).size == 0
