"""Which library runs the networks of a saved run, and that nobody waits for the other."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from forecast import runs
from forecast.cli import main
from forecast.jobs import runtimes
from forecast.jobs.starting import PANEL
from forecast.models.network import build_network
from forecast.prices import garch_prices, load_prices
from forecast.prices.storing import describe, store_panel
from forecast.settings import Settings
from forecast.training.preparing import feature_statistics
from forecast.windows import build_windows

TICKERS = [f"S{k:02}" for k in range(6)]
#: Runs a command and prints, after it, which of the slow libraries were imported for it, and how
#: many objects Python passes over when it looks for garbage at the very end.
ASK = """
import atexit, gc, sys
atexit.register(lambda: print("frozen:", gc.get_freeze_count()))
from forecast.cli import main
try:
    main(sys.argv[1:])
finally:
    slow = ("tensorflow", "keras", "matplotlib", "scipy", "sklearn", "onnxruntime")
    print("imported:", *[name for name in slow if name in sys.modules])
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two networks far from their start, on six made-up tickers; exported."""
    folder = tmp_path_factory.mktemp("runs")
    rows = garch_prices(len(TICKERS), 480, 0, start="2020-01-02")
    rows = rows[(rows["unique_id"] != "S05") | (rows["ds"] >= rows["ds"].unique()[-45])]
    csv, mine = folder / "p.csv", folder / "mine"
    rows.rename(columns={"unique_id": "ticker", "ds": "date"}).to_csv(csv, index=False)
    chosen = {"cell": ("lstm",), "units": 3, "lookback": 32, "horizon": 5}
    settings = Settings(source="csv", csv=(csv,), **chosen)
    panel, _ = load_prices(settings)
    statistics = feature_statistics(build_windows(panel, settings), 300)
    (mine / "models").mkdir(parents=True)
    files = [f"models/lstm-seed{seed}.keras" for seed in (0, 1)]
    for seed, file in enumerate(files):
        network = build_network(settings, "lstm", statistics, seed)
        rng = np.random.default_rng(seed)
        for weight in network.trainable_weights:
            weight.assign(rng.normal(0, 0.4, weight.shape))
        network.save(mine / file)
    runs.write_settings(mine, settings)
    store_panel(mine / PANEL, panel)
    day, files = "2021-06-01", [*files, PANEL]
    manifest = {
        "data": describe(panel),
        "splits": {"validation": {"first": day}, "test": {"first": day}},
        "backtest": {},
        "seeds": [0, 1],
        "last_training_date": day,
        "files": {file: runs.file_sha256(mine / file) for file in files},
    }
    runs.write_json(mine / "manifest.json", manifest)
    with pytest.raises(SystemExit) as stopped:
        main(["export", str(mine), "--quiet"])
    assert stopped.value.code == 0
    return mine


def asked(*arguments):
    """What a command prints, and the slow libraries that were imported for it."""
    words = [sys.executable, "-c", ASK, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    text, _, rest = done.stdout.rpartition("imported:")
    imported, _, frozen = rest.partition("frozen:")
    assert done.returncode in (0, 1), done.stderr  # 1: these prices are old, which calls a person
    assert int(frozen) > 0
    return text, imported.split()


def test_both_runtimes_forecast_the_same_prices(run, call, tmp_path):
    frames = []
    for runtime, told in (("tensorflow", "TensorFlow"), ("onnx", "ONNX Runtime")):
        out = tmp_path / runtime
        code, said, _ = call("predict", run, "--runtime", runtime, "--out", out, "--fans", "0")
        assert code == 0
        assert f"lstm of run mine; by {told}" in said
        frames.append(pd.read_csv(out / "forecast.csv"))
    pd.testing.assert_frame_equal(*frames, rtol=1e-5)
    assert "S05" in set(frames[0]["unique_id"])  # 45 sessions


def test_an_exported_run_forecasts_without_tensorflow(run, tmp_path):
    text, imported = asked("predict", run, "--fans", "0", "--out", tmp_path / "out")
    assert "by ONNX Runtime" in text
    assert imported == ["onnxruntime"]


def test_the_pretrained_network_forecasts_without_tensorflow_and_draws(tmp_path):
    out = tmp_path / "out"
    command = ["predict", "--pretrained", "--source", "bundled", "--fans", "1", "--out", out]
    _, imported = asked(*command)
    assert not {"tensorflow", "keras"} & set(imported)
    assert [path.name for path in out.glob("*.png")] == ["fan_AAPL.png"]


def test_an_evening_needs_no_tensorflow(run, tmp_path):
    text, imported = asked("daily", "--run", run, "--ledger", tmp_path / "l.sqlite", "--json")
    assert imported == ["scipy", "onnxruntime"]
    assert json.loads(text)["path"] == str(tmp_path / "l.sqlite")


def test_a_run_that_was_not_exported_is_told_how_to_and_auto_goes_on(run, call, tmp_path):
    export = run / "export"
    aside = export.rename(tmp_path / "aside")
    code, _, said = call("predict", run, "--runtime", "onnx")
    _, auto, _ = call("predict", run, "--fans", "0", "--out", tmp_path / "out")
    aside.rename(export)
    assert code == 2
    assert "the networks of mine have not been exported: forecast export mine does it" in said
    assert "by TensorFlow" in auto


@pytest.mark.parametrize("runtime", ["auto", "onnx"])
def test_an_exported_file_that_was_changed_is_refused(run, call, runtime):
    path = run / "export" / "lstm.onnx"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    code, _, said = call("predict", run, "--runtime", runtime)
    path.write_bytes(whole)
    assert code == 2
    assert "was changed since it was written" in said
    assert "write it again with forecast export mine, or take --runtime tensorflow" in said


def test_the_export_of_other_networks_is_refused(run, call):
    path = run / "export" / "lstm.json"
    whole = path.read_text()
    runs.write_json(path, json.loads(whole) | {"networks_sha256": "0" * 64})
    code, _, said = call("predict", run)
    path.write_text(whole)
    assert code == 2
    assert "holds other networks than those of mine" in said


def test_without_onnx_runtime_auto_takes_tensorflow(run, call, monkeypatch, tmp_path):
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    code, said, _ = call("predict", run, "--fans", "0", "--out", tmp_path / "out")
    assert code == 0
    assert "by TensorFlow" in said


def test_charts_and_tables_are_of_the_first_tickers_unless_all_are_asked_for(
    run, call, monkeypatch, tmp_path
):
    monkeypatch.setattr("forecast.jobs.predicting.SHOWN_TICKERS", 2)
    code, said, _ = call("predict", run, "--fans", "1", "--out", tmp_path / "one")
    assert code == 0
    assert said.count("lstm\n session") == 2
    assert f"4 more tickers are in {tmp_path / 'one' / 'forecast.csv'}" in said
    assert "fan charts: 1 of 6 tickers; --fans all draws all" in said
    assert len(list((tmp_path / "one").glob("fan_*.png"))) == 1
    _, said, _ = call("predict", run, "--fans", "all", "--out", tmp_path / "all")
    assert "draws all" not in said
    assert len(list((tmp_path / "all").glob("fan_*.png"))) == 6
    content = json.loads((tmp_path / "one" / "forecast.json").read_text())
    assert list(content["tickers"]) == TICKERS
    median = content["tickers"]["S03"]["sessions"][0]["median"]
    assert np.isclose(median, content["tickers"]["S03"]["last_value"], rtol=0.1)
