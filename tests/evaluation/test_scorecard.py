from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.evaluation.backtest import add_mean, make_cutoffs, walk_forward
from forecast.evaluation.report import metrics_json
from forecast.evaluation.scorecard import Scorecard, make_scorecard, with_conformal
from forecast.evaluation.scores import scores, summary
from forecast.evaluation.significance import skill_table
from forecast.models.baselines import BASELINES

RIVALS = ["ewma-t", "drift"]


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=2, sessions=600, seed=3, holes=4)


@pytest.fixture(scope="module")
def backtest(panel):
    """Two made-up seeds of a network, their ensemble, and two baselines."""
    until = panel.sessions[399]
    models = {name: BASELINES[name]().fit(panel, until) for name in ["history-250", *RIVALS]}
    walked = walk_forward(
        models, panel, make_cutoffs(panel, panel.sessions[400], horizon=5), (1, 5)
    )
    quantiles = walked.quantiles.copy()
    one = quantiles.pop("history-250")
    members = {"net-seed0": one, "net-seed1": 1.3 * one}
    return add_mean(replace(walked, quantiles=members | quantiles), "net", list(members))


@pytest.fixture(scope="module")
def card(backtest, panel):
    whole = with_conformal(backtest, panel, ["net"])
    return make_scorecard(whole, panel, panel.sessions[399], ["net"], RIVALS)


def test_the_mean_of_some_models_comes_first_and_is_their_mean(backtest):
    assert backtest.models == ["net", "net-seed0", "net-seed1", "ewma-t", "drift"]
    both = backtest.quantiles["net-seed0"] + backtest.quantiles["net-seed1"]
    np.testing.assert_allclose(backtest.quantiles["net"], both / 2, rtol=1e-6)
    assert backtest.quantiles["net"].dtype == np.float32


def test_every_model_its_seeds_and_its_adjusted_bands_have_scores(card, backtest, panel):
    expected = {*backtest.models, "net+conformal"}
    assert set(card.means["model"]) == expected
    assert set(card.scores["by"]) == {"all", "ticker", "year", "regime"}
    plain = summary(scores(backtest, panel)).set_index(["model", "h"])
    got = card.means.set_index(["model", "h"])
    for key in (("net", 1), ("drift", 5)):
        assert got.loc[key, "crps"] == pytest.approx(plain.loc[key, "crps"], rel=1e-9)


def test_only_networks_are_tested_and_only_against_baselines(card, backtest, panel):
    assert card.networks == ["net"]
    assert card.baselines == RIVALS
    assert card.seeds_of("net") == ["net-seed0", "net-seed1"]
    expected = skill_table(scores(backtest, panel), ["net"], RIVALS)
    np.testing.assert_allclose(card.significance["p_value"], expected["p_value"])
    assert set(card.confidence_set["model"]) == {"net", *RIVALS}
    assert set(card.significance_by_ticker["unique_id"]) == set(panel.tickers)
    assert set(card.risk["model"]) == {"net", "net+conformal", *RIVALS}


def test_direction_and_copy_detector_stand_in_one_row(card):
    rows = card.direction.set_index(["model", "h"])
    assert set(rows.index) == {(model, h) for model in ("net", *RIVALS) for h in (1, 5)}
    assert np.isnan(rows.loc[("ewma-t", 1), "hits"])  # its median is today's price
    assert rows["corr_today"].notna().all()
    assert rows.loc[("drift", 5), "p_value"] != rows.loc[("drift", 5), "change_p_value"]


def test_calibration_has_the_adjusted_shares_beside_the_others(card):
    net = card.calibration[card.calibration["model"] == "net"]
    assert net["observed_conformal"].notna().all()
    assert set(card.calibration["model"]) == {"net", *RIVALS}


def test_what_is_written_is_read_again(card, tmp_path):
    card.write(tmp_path)
    back = Scorecard.read(tmp_path)
    for field in fields(Scorecard):
        before, after = getattr(card, field.name), getattr(back, field.name)
        same = before.reset_index(drop=True).assign(
            **{c: before[c].astype(str).to_numpy() for c in ("model", "unique_id") if c in before}
        )
        pd.testing.assert_frame_equal(
            after.replace({np.nan: None}), same.replace({np.nan: None, "": None}),
            check_dtype=False,
        )  # fmt: skip
    assert set(back.scores.loc[back.scores["by"] == "year", "group"]) <= {"2011", "2012"}


@pytest.mark.parametrize("content", [None, "", '"'])
def test_a_missing_or_spoiled_file_is_told(card, tmp_path, content):
    card.write(tmp_path)
    (tmp_path / "risk.csv").unlink()
    if content is not None:
        (tmp_path / "risk.csv").write_text(content)
    with pytest.raises(InputError, match=r"risk.csv cannot be read: .* again with forecast eval"):
        Scorecard.read(tmp_path)


def test_metrics_json_nests_scores_and_verdicts_by_name_and_horizon(card):
    metrics = metrics_json(card)
    means = card.means.set_index(["model", "h"])
    assert set(metrics["models"]) == {"net", "net+conformal", *RIVALS}
    net = metrics["models"]["net"]
    for score in ("crps", "mae", "coverage_90", "pinball_5", "r2_oos", "log_score"):
        assert net[score] == {str(h): means.loc[("net", h), score] for h in (1, 5)}
    assert metrics["models"]["ewma-t"]["direction"] == {"1": None, "5": None}
    assert net["crps_by_seed"]["5"] == [means.loc[(f"net-seed{s}", 5), "crps"] for s in (0, 1)]
    row = card.significance.set_index(["model", "baseline", "h"]).loc[("net", "drift", 5)]
    got = metrics["skill"]["net"]["drift"]["5"]
    assert got["verdict"] == row["verdict"]
    for name in ("crps_skill", "p_value", "ci_low", "sessions", "detectable_skill"):
        assert got[name] == row[name]
    best = card.confidence_set.query("h == 5 and included")["model"]
    assert metrics["confidence_set"]["5"] == list(best)
    assert metrics["origins"] == {"1": means["origins"].max(), "5": means["origins"].max()}
