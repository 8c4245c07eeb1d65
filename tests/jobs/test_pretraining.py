"""The command that makes the pretrained network, small: two sets of made-up prices."""

import json

import pandas as pd
import pytest

from forecast import runs
from forecast.jobs import comparing, pretraining
from forecast.jobs.card import card_text
from forecast.jobs.pretraining import CHOICES, add_scores, load_sources, pretrain
from forecast.jobs.terminal import Terminal
from forecast.prices import clean, garch_prices
from forecast.settings import Settings

SMALL = CHOICES | {"units": 2, "lookback": 40, "horizon": 5, "epochs": 1, "steps_per_epoch": 2}
SMALL |= {"telemetry": "off"}
BORDERS = {"validation_start": "2011-10-03", "test_start": "2012-03-01", "seeds": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Train and score once; return the settings, the folder and its manifest."""

    def load(prices):
        seed = {"sp500": 1, "bundled": 2}[prices.source]
        rows = garch_prices(3, 640, seed)
        if seed == 2:  # one ticker in both sets
            rows["unique_id"] = rows["unique_id"].replace({"S01": "S91", "S02": "S92"})
        return clean(rows, source=prices.source, sha256=f"{seed}" * 64, calendar="XNYS")

    folder = tmp_path_factory.mktemp("pretrained")
    settings = Settings.model_validate(SMALL | BORDERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretraining, "load_prices", load)
        patch.setattr(pretraining, "SHORT", 40)
        patch.setattr(pretraining, "GROUPS", 1)
        for module in (pretraining, comparing):
            patch.setattr(module, "RIVALS", ("history-250", "ewma-t"))
        pretrain(settings, folder, Terminal(quiet=True))
        add_scores(settings, folder, Terminal(quiet=True))
        prepared, _ = load_sources(settings)
    return prepared, folder, json.loads((folder / "manifest.json").read_text())


def test_it_learns_from_both_sets_and_takes_a_common_ticker_once(made):
    prepared, _, manifest = made
    assert manifest["data"]["tickers"] == ["S00", "S01", "S02", "S91", "S92"]
    assert manifest["sources"] == {"sp500": "1" * 64, "bundled": "2" * 64}
    assert prepared.panel.source == "sp500+bundled"


def test_nothing_is_scored_on_a_date_it_has_learned_from(made):
    _, _, manifest = made
    assert manifest["last_training_date"] == "2012-02-29"
    assert manifest["scores"]["first_origin"] == "2012-03-01"
    assert {row["year"] for row in manifest["scores"]["by_year"]} == {2012}


def test_every_way_of_seeing_a_stock_is_scored_at_every_horizon(made):
    scores = made[2]["scores"]
    ways = {"together", "alone", "alone, never seen"}
    assert {(r["model"], r["h"]) for r in scores["skill"]} == {(w, h) for w in ways for h in (1, 5)}
    assert {r["model"] for r in scores["short"]["skill"]} == {"alone, 40 sessions"}
    crps = {r["model"]: r["crps"] for r in scores["crps"] if r["h"] == 1}
    assert len({crps[way] for way in ways}) == 3
    for row in scores["skill"]:
        rival = crps[row["baseline"]] if row["h"] == 1 else None
        if rival:
            assert row["crps_skill"] == pytest.approx(1 - crps[row["model"]] / rival)


def test_the_files_are_hashed_and_hold_no_optimizer(made):
    import keras

    _, folder, manifest = made
    assert set(manifest["files"]) == {"models/lstm-seed0.keras", "models/lstm.onnx"}
    for name, digest in manifest["files"].items():
        assert runs.file_sha256(folder / name) == digest
        assert name.endswith("onnx") or not keras.saving.load_model(folder / name).compiled


def test_the_networks_never_saw_the_stocks_they_are_scored_on_as_unseen(made, monkeypatch):
    prepared, _, _ = made
    trained = []

    def train(settings, prepared):
        trained.append(set(prepared.panel.tickers))
        return [object()]

    class Named:
        def __init__(self, model):
            self.model, self.name = model, "lstm"

    monkeypatch.setattr(pretraining, "train", train)
    monkeypatch.setattr(pretraining, "Alone", Named)
    monkeypatch.setattr(pretraining, "GROUPS", 2)
    settings = Settings.model_validate(SMALL | BORDERS)
    found = pretraining.unseen(settings, prepared, ["S00", "S01", "S02"])
    assert set(found.models) == {"S00", "S01", "S02"}
    assert trained == [{"S02", "S91", "S92"}, {"S00", "S01", "S91", "S92"}]


def test_the_card_tells_dates_hashes_scores_and_failures(made):
    _, folder, manifest = made
    text = (folder / "CARD.md").read_text()
    assert text == card_text(manifest)
    for told in (
        "Prices up to **2012-02-29**",
        "1" * 64,
        "2" * 64,
        "never seen",
        "## Where it fails",
    ):
        assert told in text
    assert all(digest in text for digest in manifest["files"].values())
    lost = [r for r in manifest["scores"]["by_year"] if r["crps_skill"] < 0]
    for row in lost:
        assert f"{row['year']} at {row['h']}" in text
    frame = pd.DataFrame(manifest["scores"]["crps"])
    for value in frame.loc[frame["model"] == "alone", "crps"]:
        assert f"{1e4 * value:.2f}" in text


def test_the_card_says_whether_these_networks_were_scored_or_others_before_them(made):
    _, _, manifest = made
    assert manifest["scores"]["last_training_date"] == manifest["last_training_date"]
    assert "Walked through once, after everything was decided" in card_text(manifest)
    scores = manifest["scores"] | {"last_training_date": "2011-09-30"}
    told = card_text(manifest | {"scores": scores})
    assert "others of the same recipe that ended on **2011-09-30**" in told
    assert "No date after 2012-02-29 has been looked at yet" in told
    assert "Walked through once" not in told
