"""`forecast explain` as a user runs it, on a small run."""

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main

SLICE = ["--start", "2004-01-02", "--end", "2009-12-31", "--tickers", "AAPL", "MSFT"]
SMALL = ["--units", "4", "--epochs", "1", "--steps-per-epoch", "2", "--lookback", "40"]
SMALL += ["--horizon", "5", "--batch-size", "16", "--cell", "lstm", "gru", "--quiet"]


def run(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(part) for part in arguments])
    return stopped.value.code


@pytest.fixture(scope="module")
def trained(tmp_path_factory, few_baselines):
    folder = tmp_path_factory.mktemp("runs")
    small = ["--runs-dir", folder, "--name", "small", "--no-report", "--telemetry", "off"]
    with few_baselines():
        assert run("train", *SLICE, *SMALL, *small, "--forget-bias", "3") == 0
    return folder / "small"


def test_explain_shows_gates_gradients_and_inputs_around_the_steepest_fall(trained, capsys):
    assert run("explain", trained, "--ticker", "AAPL", "--lags", "20") == 0
    said = capsys.readouterr().out
    folder = trained / "explain" / "AAPL"
    pictures = {path.name for path in folder.glob("*.png")}
    expected = {"gates_lstm.png", "gradient_by_lag.png", "attribution_lstm.png"}
    assert pictures == {*expected, "attribution_gru.png"}
    gates = pd.read_parquet(folder / "gates.parquet")
    assert set(gates["when"]) == {"untrained", "trained"}
    assert gates.query("gate == 'forget'")["value"].between(0, 1).all()
    first = gates.query("when == 'untrained' and gate == 'forget'")["value"].mean()
    assert first == pytest.approx(1 / (1 + np.exp(-3)), abs=0.05)  # the forget bias it began with
    parts = pd.read_parquet(folder / "attribution.parquet")
    assert parts["lag_sessions"].max() == 19
    gradients = pd.read_parquet(folder / "gradients.parquet")
    assert set(gradients["model"]) == {"lstm", "gru"}
    for words in ("AAPL fell by", "lstm: the mean forget gate was", "gru: the gradient falls to"):
        assert words in said
    assert "This run has no telemetry.parquet" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--lags", "41"],
            "--lags 41: the window of this run has 40 sessions, so its lags go from",
        ),
        (["--ticker", "NONE"], "No ticker NONE"),
        (
            ["--from", "2004-01-02", "--to", "2004-01-20"],
            "choose --from and --to inside that range",
        ),
        (["--from", "2030-01-02"], "such sessions run from"),
    ],
    ids=["lag", "ticker", "early", "late"],
)
def test_what_there_is_not_is_told(trained, capsys, arguments, message):
    assert run("explain", trained, *arguments) == 2
    assert message in capsys.readouterr().err


def test_a_run_trained_without_telemetry_has_neither_its_file_nor_its_pictures(trained):
    assert not (trained / "telemetry.parquet").exists()
    assert not list((trained / "plots").glob("gradient*"))


def test_telemetry_that_cannot_be_read_is_told_with_the_remedy_before_anything_is_done(
    trained, capsys
):
    (trained / "telemetry.parquet").write_bytes(b"no parquet")
    try:
        assert run("explain", trained, "--ticker", "MSFT") == 2
        said = capsys.readouterr().err
        assert "telemetry.parquet cannot be read" in said
        assert "train the run again" in said
        assert not (trained / "explain" / "MSFT").exists()
    finally:
        (trained / "telemetry.parquet").unlink()
