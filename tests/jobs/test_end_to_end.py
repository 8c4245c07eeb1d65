"""A run as a user makes it: train, evaluate, predict, on a small slice of the bundled prices."""

import json

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import yaml
from utilsforecast.evaluation import evaluate as utils_evaluate
from utilsforecast.losses import coverage, mae

from forecast import load_prices, runs, window_arrays
from forecast.cli import main
from forecast.models.baselines import BASELINES
from forecast.prices import next_sessions

SLICE = ["--start", "2004-01-02", "--end", "2009-12-31", "--tickers", "AAPL", "MSFT"]
SMALL = ["--units", "4", "--epochs", "2", "--steps-per-epoch", "3", "--lookback", "40"]
SMALL += ["--horizon", "5", "--batch-size", "16"]


@pytest.fixture(scope="module")
def run_forecast():
    """Return a function that runs a command, which must succeed, and returns what it printed."""
    with pytest.MonkeyPatch.context() as patch:

        def call(capsys, *arguments):
            patch.setattr("sys.argv", ["forecast", *map(str, arguments)])
            with pytest.raises(SystemExit) as stopped:
                main()
            assert stopped.value.code == 0
            return capsys.readouterr().out

        yield call


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def trained(runs_dir, run_forecast):
    """Train once; two cells, two seeds."""

    class Nothing:
        def readouterr(self):
            class Out:
                out = ""

            return Out

    run_forecast(
        Nothing(), "train", *SLICE, *SMALL, "--seeds", "2", "--tensorboard", "--runs-dir", runs_dir,
        "--name", "small", "--tuned-trials", "7",
    )  # fmt: skip
    return runs_dir / "small"


def test_how_many_trials_chose_the_settings_is_told(trained):
    assert runs.read_manifest(trained)["tuned_trials"] == 7
    report = (trained / "report.html").read_text(encoding="utf-8")
    assert "Their settings were chosen among 7 trials there." in report


def test_a_run_folder_holds_everything_that_is_promised(trained):
    files = {path.relative_to(trained).as_posix() for path in trained.rglob("*") if path.is_file()}
    assert files >= {
        *("settings.yaml", "manifest.json", "history.csv", "telemetry.parquet"),
        *("forecasts.parquet", "log_returns.parquet", "metrics.json"),
        *("fans.parquet", "prices.parquet", "report.html", "explain/AAPL/gates.parquet"),
        *("scores.csv", "significance.csv", "significance_by_ticker.csv", "confidence_set.csv"),
        *("direction.csv", "risk.csv", "calibration.csv", "plots/pit.png"),
        *(f"models/{cell}-seed{seed}.keras" for cell in ("lstm", "keras-lstm") for seed in (0, 1)),
        *(f"plots/{name}.png" for name in ("loss", "gradient_norms", "gradient_by_lag")),
        *(f"plots/{name}.png" for name in ("reliability", "skill", "fan_AAPL", "fan_MSFT")),
    }
    assert any(name.startswith("tensorboard/lstm-seed1/") for name in files)
    assert (trained.parent / "latest").resolve() == trained
    assert not list(trained.parent.glob(".*partial*"))


def test_metrics_hold_scores_costs_and_verdicts(trained):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert set(metrics) >= {"models", "skill", "data", "splits", "confidence_set", "backtest"}
    adjusted = {"lstm+conformal", "keras-lstm+conformal"}
    assert set(metrics["models"]) == {"lstm", "keras-lstm", *adjusted, *BASELINES}
    for name in ("lstm", "keras-lstm"):
        facts = metrics["models"][name]
        assert facts["params"] > 0
        assert facts["step_ms"] > 0
        assert facts["fit_seconds"] > 0
        assert set(facts["crps"]) == set(facts["mae"]) == set(facts["coverage_90"]) == {"1", "5"}
        assert len(facts["crps_by_seed"]["5"]) == 2
    for by_horizon in metrics["skill"]["lstm"].values():
        for verdict in by_horizon.values():
            assert set(verdict) >= {"crps_skill", "p_value", "verdict"}
            assert verdict["verdict"] in {"better", "not distinguishable", "worse"}
    assert metrics["data"]["tickers"] == ["AAPL", "MSFT"]


def test_ours_and_keras_start_equal_and_stay_close(trained):
    models = json.loads((trained / "metrics.json").read_text())["models"]
    np.testing.assert_allclose(
        models["lstm"]["first_losses"], models["keras-lstm"]["first_losses"], atol=1e-6
    )
    history = pd.read_csv(trained / "history.csv")
    last = history.groupby(["model", "seed"])["loss"].last()
    np.testing.assert_allclose(last["lstm"], last["keras-lstm"], rtol=0.01)


def test_utilsforecast_takes_the_forecasts_as_they_are_and_agrees(trained):
    frame = pd.read_parquet(trained / "forecasts.parquet")
    one = frame[frame["h"] == 5]
    metrics = json.loads((trained / "metrics.json").read_text())["models"]
    found = utils_evaluate(one, metrics=[mae, coverage], models=["lstm", "ewma-t"], level=[90])
    rows = one.groupby("unique_id").size()
    for name in ("lstm", "ewma-t"):
        by_metric = found.pivot_table(values=name, index="metric", columns="unique_id")
        error, covered = (by_metric @ rows / rows.sum())[["mae", "coverage_level90"]]
        assert error == pytest.approx(metrics[name]["mae"]["5"], rel=1e-5)
        assert covered == pytest.approx(metrics[name]["coverage_90"]["5"], abs=2e-3)


def test_the_manifest_says_what_is_needed_to_repeat_the_run(trained):
    manifest = json.loads((trained / "manifest.json").read_text())
    assert manifest["seeds"] == [0, 1]
    assert manifest["command"][:2] == ["forecast", "train"]
    assert manifest["last_training_date"] < manifest["splits"]["test"]["first"]
    assert manifest["splits"]["train"]["last"] < manifest["splits"]["validation"]["first"]
    for name, digest in manifest["files"].items():
        assert runs.file_sha256(trained / name) == digest
    assert {"tensorflow", "keras", "python"} <= set(manifest["versions"])


def test_telemetry_tells_gradients_and_gates_of_both_cells(trained):
    telemetry = pd.read_parquet(trained / "telemetry.parquet")
    for cell in ("lstm", "keras-lstm"):
        quantities = set(telemetry.loc[telemetry["model"] == cell, "quantity"])
        assert quantities >= {
            *("global_norm", "norm", "update_ratio", "clipped_share"),
            *("state_gradient_norm", "gradient_decay", "memory_sessions"),
        }
    gates = telemetry[telemetry["quantity"] == "gate_mean"]
    assert set(gates["model"]) == {"lstm", "keras-lstm"}
    assert gates[gates["gate"] == "forget"]["value"].between(0, 1).all()
    lags = telemetry.loc[telemetry["quantity"] == "state_gradient_norm", "lag_sessions"]
    assert (lags.min(), lags.max()) == (0, 39)


def test_a_backtest_with_refits_has_a_folder_of_its_own(
    trained, run_forecast, capsys, few_baselines
):
    before = (trained / "metrics.json").read_text()
    with few_baselines():
        said = run_forecast(capsys, "backtest", trained, "--refit-every", 400, "--step", 20)
    folder = trained / "backtest" / "refit400-step20-embargo0-expanding"
    assert said.splitlines()[-1] == str(folder)
    assert (trained / "metrics.json").read_text() == before
    assert len(list(folder.glob("fold-*.parquet"))) == said.count("saved after") == 1
    means = pd.read_csv(folder / "scores.csv").query("by == 'all'")
    assert {"lstm", "lstm-seed0", "lstm-seed1", "lstm+conformal", "ewma-t"} <= set(means["model"])
    shown = run_forecast(capsys, "scores", folder)
    assert "Value at risk: no ticker has 30 outcomes that do not overlap" in shown


def test_every_score_can_be_read_from_the_files(trained, run_forecast, capsys):
    said = run_forecast(capsys, "scores", trained)
    for title in (
        *("1 session ahead, ", "Direction by sessions ahead", "Value at risk 1 %"),
        *("Model confidence set", "by ticker and sessions ahead", "by year", "by volatility"),
        *("2 seeds together", "one seed alone", "Copy detector", "lstm+conformal"),
    ):
        assert title in said
    assert said.splitlines()[-1] == str(trained)


def test_a_network_that_was_changed_is_refused(trained, capsys):
    path = trained / "models" / "lstm-seed1.keras"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    with pytest.raises(SystemExit) as stopped:
        main(["predict", str(trained)])
    path.write_bytes(whole)
    assert stopped.value.code == 2
    assert "was changed since it was written" in capsys.readouterr().err


def test_a_prediction_covers_the_next_sessions_of_every_ticker_asked_for(
    trained, run_forecast, capsys, tmp_path
):
    out = tmp_path / "next"
    said = run_forecast(capsys, "predict", trained, "--tickers", "MSFT", "--out", out)
    assert said.splitlines()[-1] == str(trained)
    frame = pd.read_csv(out / "forecast.csv", parse_dates=["ds", "cutoff"])
    assert set(frame["unique_id"]) == {"MSFT"}
    after = next_sessions("XNYS", frame["cutoff"].iloc[0], 5)
    assert list(frame["ds"]) == list(after)
    bands = ["lstm-lo-98", "lstm-lo-90", "lstm-lo-50", "lstm", "lstm-hi-50", "lstm-hi-98"]
    assert (frame[bands].diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
    content = json.loads((out / "forecast.json").read_text())
    sessions = content["tickers"]["MSFT"]["sessions"]
    assert [row["ds"] for row in sessions] == [f"{day:%Y-%m-%d}" for day in after]
    assert sessions[0]["median"] == pytest.approx(frame["lstm"].iloc[0])
    assert (out / "fan_MSFT.png").stat().st_size > 10_000


def test_a_ticker_that_was_not_trained_on_is_forecast_too(trained, run_forecast, capsys, tmp_path):
    run_forecast(capsys, "predict", trained, "--tickers", "IBM", "--out", tmp_path / "ibm")
    assert (tmp_path / "ibm" / "fan_IBM.png").exists()


def test_asking_for_one_ticker_or_for_all_gives_it_the_same_forecast(
    trained, run_forecast, capsys, tmp_path
):
    run_forecast(capsys, "predict", trained, "--out", tmp_path / "all")
    run_forecast(capsys, "predict", trained, "--tickers", "AAPL", "--out", tmp_path / "one")
    every = pd.read_csv(tmp_path / "all" / "forecast.csv")
    one = pd.read_csv(tmp_path / "one" / "forecast.csv")
    pd.testing.assert_frame_equal(
        every[every["unique_id"] == "AAPL"].reset_index(drop=True), one, rtol=1e-6
    )


def test_a_yaml_file_gives_the_settings_and_flags_go_over_it(
    run_forecast, capsys, tmp_path, few_baselines
):
    config = tmp_path / "config.yaml"
    content = {"source": "csv", "csv": [str(tmp_path / "cold.csv")], "cell": ["gru"], "units": 3}
    content |= {"epochs": 1, "steps_per_epoch": 2, "lookback": 24, "horizon": 2, "batch_size": 8}
    content |= {"telemetry": "off"}
    config.write_text(yaml.safe_dump(content))
    days = pd.date_range("2018-01-01", periods=900)
    degrees = 8 * np.sin(np.arange(900) / 58) + np.random.default_rng(0).normal(0, 2, 900)
    pd.DataFrame({"date": days.strftime("%Y-%m-%d"), "celsius": degrees}).to_csv(
        tmp_path / "cold.csv", index=False
    )
    with few_baselines():
        said = run_forecast(
            capsys, "train", "--config", config, "--units", 2, "--runs-dir", tmp_path, "--quiet",
            "--name", "cold",
        )  # fmt: skip
    assert runs.read_settings(tmp_path / "cold").units == 2
    assert said.splitlines()[-1] == str(tmp_path / "cold")
    assert "CRPS (value, lower is better)" in said
    frame = pd.read_parquet(tmp_path / "cold" / "forecasts.parquet")
    assert (frame["gru-lo-90"] < 0).any()


def test_an_exported_network_is_fed_as_its_card_says(trained, run_forecast, capsys, tmp_path):
    printed = run_forecast(capsys, "export", trained, "--out", tmp_path)
    assert printed.splitlines()[-1] == str(tmp_path / "lstm.onnx")
    card = runs.read_json(tmp_path / "lstm.json")
    settings = runs.read_settings(trained)
    arrays = window_arrays(load_prices(settings)[0], settings, "test")
    assert list(arrays.x.shape[1:]) == card["inputs"]["features"]["shape"][1:]
    assert len(card["inputs"]["features"]["features"]) == arrays.x.shape[2]
    fed = {"features": arrays.x, "volatility": arrays.scale[:, 0]}
    session, told = onnxruntime.InferenceSession(tmp_path / "lstm.onnx"), card["outputs"]
    log_returns, parameters = session.run(["quantiles", "parameters"], fed)
    assert list(parameters.shape[1:]) == told["parameters"]["shape"][1:]
    levels, horizons = (told["quantiles"][name] for name in ("levels", "horizons_sessions"))
    assert log_returns.shape == (len(arrays.x), len(horizons), len(levels))
    below = log_returns[:, 0, levels.index(0.1)] > arrays.y[:, 0] * arrays.scale[:, 0]
    assert 0.02 < below.mean() < 0.3
