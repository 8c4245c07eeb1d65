import re
import subprocess
import sys
from pathlib import Path

import pytest

from forecast.cli import main
from forecast.cli.app import app
from forecast.drafts import new_run
from forecast.runs import write_json

SCRIPT = Path(__file__).parents[1] / "scripts" / "train.py"


@pytest.fixture
def fails(tmp_path, capsys):
    """Run a command that must fail as bad input does; return the message."""

    def run(*arguments):
        before = sorted(tmp_path.rglob("*"))
        command = [str(argument) for argument in arguments]
        if "--runs-dir" not in command:
            command += ["--runs-dir", str(tmp_path / "runs")]
        with pytest.raises(SystemExit) as stopped:
            main(command)
        said = capsys.readouterr().err
        assert stopped.value.code == 2
        assert said.startswith("error: ")
        assert said.count("\n") == 1
        assert said.endswith("\n")
        assert sorted(tmp_path.rglob("*")) == before
        return said

    return run


@pytest.fixture
def file(tmp_path):
    """Write a file and return its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_an_unknown_ticker_is_told_with_those_there_are(fails):
    said = fails("train", "--tickers", "APPL")
    assert "No ticker APPL" in said
    assert "AAPL, FB, GOOG, IBM, MSFT" in said


def test_a_missing_file_is_told(fails, tmp_path):
    said = fails("train", "--source", "csv", "--csv", tmp_path / "none.csv")
    assert "There is no file" in said
    assert "none.csv: check the path given with --csv" in said


def test_an_empty_file_is_told(fails, file):
    said = fails("train", "--source", "csv", "--csv", file("empty.csv", ""))
    assert "empty.csv is empty, expected a header and rows of prices" in said


def test_wrong_columns_are_told_with_those_expected(fails, file):
    said = fails("train", "--source", "csv", "--csv", file("wrong.csv", "a,b\n1,2\n"))
    assert "found the columns a, b; expected a date column" in said


def test_a_history_too_short_that_was_asked_for_is_told_with_the_arithmetic(fails):
    said = fails("train", "--tickers", "FB", "AAPL", "--lookback", 100, "--horizon", 10)
    assert "FB has 196 sessions; lookback 100 + horizon 10 + 250 training sessions need 360" in said
    assert "drop FB" in said


def test_a_date_range_without_sessions_is_told_with_the_range_there_is(fails):
    said = fails("train", "--start", "1990-01-01", "--end", "1991-01-01")
    assert "No session" in said
    assert "2000-03-01 to 2013-03-01" in said


def test_a_range_too_short_to_train_on_is_told(fails):
    said = fails("train", "--start", "2010-01-01", "--end", "2010-12-31")
    assert "sessions" in said
    assert "need" in said


def test_validation_after_test_is_told(fails):
    said = fails("train", "--validation-start", "2010-01-01", "--test-start", "2009-01-01")
    assert "--validation-start 2010-01-01 is not before --test-start 2009-01-01" in said


def test_a_border_outside_the_prices_is_told(fails):
    said = fails("train", "--test-start", "2020-01-01")
    assert "--test-start 2020-01-01 leaves no session on one side" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--units", "many"], "--units: .*valid integer.*'many'"),
        (["--units", "-3"], "--units: .*greater than or equal to 1, got '-3'"),
        (["--steps-per-epoch", "0"], "--steps-per-epoch: .*got '0'"),
        (["--lr", "0"], "--lr: .*greater than 0"),
        (["--cell", "lsmt"], "--cell: .*'lstm', 'keras-lstm', 'gru' or 'simple-rnn', got 'lsmt'"),
        (["--cell", "gru", "gru"], "--cell names a layer twice: gru, gru"),
        (["--start", "31.12.2004"], "--start: .*valid date.*'31.12.2004'"),
        (["--start", "2005-01-01", "--end", "2004-01-01"], "--start 2005-01-01 is not before"),
        (["--name", "../../etc"], "--name: .* is no name of a run: .* got '../../etc'"),
        (["--name", "latest"], "--name latest is kept for the link"),
        (["--source", "bloomberg"], "--source: .*'bundled'"),
        (["--source", "csv"], "--source csv needs at least one --csv PATH"),
        (["--csv", "a.csv"], "--csv goes with --source csv"),
        (["--calendar", "MOON"], "MOON"),
        (["--unitz", "4"], "Unknown option: --unitz. Did you mean --units?"),
        (["AAPL"], "AAPL"),
    ],
    ids=" ".join,
)
def test_nonsense_in_a_flag_is_told_with_the_flag_and_the_value(fails, arguments, message):
    assert re.search(message, fails("train", *arguments))


def test_every_wrong_flag_is_told_at_once(fails):
    said = fails("train", "--units", "0", "--lr", "2")
    assert "--units" in said
    assert "--lr" in said


def test_an_unknown_command_is_told_with_those_there_are(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["trian"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith(
        'error: Unknown command "trian". Did you mean "train"'
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("unitz: 4\n", "--config FILE: there is no setting 'unitz'; did you mean units?"),
        ("steps-per-epok: 4\n", "FILE: .*'steps-per-epok'; did you mean steps_per_epoch?"),
        ("zzz: 4\n", "FILE: .* no setting 'zzz'; forecast train --help lists them"),
        ("config: other.yaml\n", "FILE: there is no setting 'config'"),
        ("units: [4\n", "--config FILE cannot be read: .* line 1"),
        ("units: four\n", "--units: .*valid integer.*'four'"),
        ("units:\n  a: 1\n", r'"\[units\]\[a\]" from FILE'),
        ("- 1\n- 2\n", r"FILE: expected lines such as 'units: 16', got \[1, 2\]"),
        ("hello\n", "FILE: expected lines such as 'units: 16', got 'hello'"),
        (b"\xff\xfe\x00", "FILE cannot be read: .*utf-8"),
        ("!!python/object/apply:os.getcwd []\n", "FILE cannot be read: could not determine"),
        ("tickers: [AAPL, ON]\n", "FILE: YAML reads .* put it in quotes at 'tickers'"),
        ("tickers: FB\n", "FB has 196 sessions"),
    ],
    ids=repr,
)
def test_nonsense_in_the_yaml_is_told_with_the_file(fails, file, content, message):
    path = file("settings.yaml", content)
    assert re.search(
        message.replace("FILE", re.escape(str(path))), fails("train", "--config", path)
    )


def test_a_configuration_that_is_missing_is_told(fails, tmp_path):
    for arguments in (["--config", tmp_path / "none.yaml"], [f"--config={tmp_path / 'none.yaml'}"]):
        assert "none.yaml cannot be read: " in fails("train", *arguments)


def test_a_flag_without_its_value_is_told(tmp_path, capsys):
    for flag in ("--seed", "--config"):
        with pytest.raises(SystemExit) as stopped:
            main(["train", "--runs-dir", str(tmp_path), flag])
        assert stopped.value.code == 2
        assert f"{flag} " in capsys.readouterr().err


def test_a_flag_goes_over_the_configuration(fails, file):
    path = file("settings.yaml", "tickers: [NONE]\nstart: 2004-01-01\nsteps-per-epoch: 1\n")
    assert "No ticker NONE" in fails("train", "--config", path)
    assert "No ticker OTHER " in fails("train", "--config", path, "--tickers", "OTHER")
    assert "--start 2004-01-01 is not before --end 2003-01-01" in fails(
        "train", "--config", path, "--end", "2003-01-01"
    )


def test_a_configuration_of_one_call_is_forgotten_in_the_next(fails, file):
    assert "NONE" in fails("train", "--config", file("settings.yaml", "tickers: [NONE]\n"))
    assert "NONE" not in fails("train", "--units", "0")


def test_a_run_that_exists_is_not_written_over(fails, tmp_path):
    with new_run(tmp_path / "runs", "mine") as folder:
        write_json(folder / "manifest.json", {})
    assert "mine exists; choose another --name" in fails("train", "--name", "mine")


def test_a_file_in_the_place_of_the_runs_folder_is_told(fails, file):
    assert "cannot be written" in fails("train", "--runs-dir", file("taken", "a file"))


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_without_a_run_one_is_told_to_train(fails, command):
    assert "train first: forecast train" in fails(command)
    assert "no run at nowhere" in fails(command, "nowhere")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_folder_that_is_no_run_any_more_is_told(fails, tmp_path, command):
    with new_run(tmp_path / "runs", "mine") as folder:
        (folder / "manifest.json").write_text("{")
    assert "settings.yaml cannot be read" in fails(command, "mine")


def test_bad_input_is_told_in_one_line_without_a_traceback_in_a_process_of_its_own(tmp_path):
    command = [sys.executable, SCRIPT, "--tickers", "NONE"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: No ticker NONE")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_a_command_with_one_word(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("forecast.jobs.starting.prepare", interrupted)
    with pytest.raises(SystemExit) as stopped:
        main(["train"])
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "stopped\n"


def test_the_settings_of_one_command_are_not_those_of_the_next(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("start: '-1'\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["train", "--config", str(path)])
    _, bound, *_ = app.parse_args(["train"], exit_on_error=False, print_error=False)
    assert bound.arguments == {}
