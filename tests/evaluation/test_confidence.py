import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import MCS

from forecast.evaluation.confidence import confidence_set


def test_the_confidence_set_keeps_the_best_and_drops_the_worst(score_rows):
    rng = np.random.default_rng(7)
    base = rng.gamma(2, 1, 300)
    losses = {
        "best": base,
        "level": base + rng.normal(0, 0.5, 300),
        "worst": base + 0.5 + rng.normal(0, 0.5, 300),
    }
    table = pd.concat([score_rows(losses), score_rows(losses, h=200)], ignore_index=True)
    got = confidence_set(table).set_index("model")
    assert set(got["h"]) == {1}  # 300 dates are too few 200 sessions ahead
    assert got["included"].to_dict() == {"best": True, "level": True, "worst": False}
    mcs = MCS(pd.DataFrame(losses), 0.1, block_size=7, seed=0)
    mcs.compute()
    assert set(mcs.included) == {"best", "level"}
    assert got["p_value"].to_dict() == pytest.approx(mcs.pvalues["Pvalue"].to_dict())


def test_equal_models_share_their_place_in_the_confidence_set(score_rows):
    rng = np.random.default_rng(11)
    base = rng.gamma(2, 1, 200)
    noisy = base + 0.5 + rng.normal(0, 0.5, 200)
    several = {"a": base, "b": base * (1 + 1e-15), "bad": noisy, "worse": noisy}
    got = confidence_set(score_rows(several)).set_index("model")
    alone = confidence_set(score_rows({"a": base, "bad": noisy})).set_index("model")
    for name, twin in (("a", "a"), ("b", "a"), ("bad", "bad"), ("worse", "bad")):
        assert got.loc[name, "p_value"] == alone.loc[twin, "p_value"]
    both = confidence_set(score_rows({"a": base, "b": base}))
    assert both["included"].all()


def test_the_confidence_set_of_one_model_is_empty(score_rows):
    assert confidence_set(score_rows({"m": np.ones(50)})).empty


def test_cutoffs_several_sessions_apart_need_fewer_dates(score_rows):
    rng = np.random.default_rng(0)
    losses = {"m": rng.gamma(2, 1, 60), "b": rng.gamma(2, 1, 60)}
    assert confidence_set(score_rows(losses, 30)).empty  # 70 dates are needed
    assert len(confidence_set(score_rows(losses, 30, step=5))) == 2
