"""What commands print: the same on a screen, in a pipe and for machines."""

import json

import pandas as pd
import pytest

from forecast.cli import main
from forecast.cli.app import app
from forecast.drafts import new_run

COMMANDS = [name for name in app.resolved_commands() if not name.startswith("-")]


@pytest.fixture
def says(capsys):
    """Run a command, return its exit code and what it printed."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        return stopped.value.code, capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def run(make_run):
    return make_run(tickers=2)


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"app"}))
def test_every_command_speaks_json_and_can_be_quiet(says, command):
    code, text = says(command, "--help")
    assert code == 0
    assert "--json" in text
    assert "--quiet" in text


def test_the_scores_of_a_run_are_the_numbers_of_its_files(says, run):
    code, text = says("scores", run, "--json")
    told = json.loads(text)
    assert code == 0
    kept = pd.read_csv(run / "scores.csv")
    assert len(told["scores"]) == len(kept)
    assert [row["crps"] for row in told["scores"]] == pytest.approx(kept["crps"])
    assert told["path"] == str(run)


def test_runs_are_listed_with_broken_ones_and_those_in_progress(says, run, tmp_path):
    (tmp_path / "whole").symlink_to(run)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    (tmp_path / ".young.partial").mkdir()
    code, text = says("runs", tmp_path, "--json")
    states = {entry["name"]: entry["state"] for entry in json.loads(text)["runs"]}
    assert code == 0
    assert states == {"whole": "whole", "broken": "broken", "young": "in progress"}
    table = says("runs", tmp_path)[1]
    assert all(word in table for word in ("whole", "broken", "young", "in progress", "verdict"))


def test_a_folder_without_runs_says_how_to_get_one(says, tmp_path):
    assert says("runs", tmp_path) == (0, f"no runs in {tmp_path} yet; train one: forecast train\n")
    assert json.loads(says("runs", tmp_path, "--json")[1]) == {"runs": []}


def test_checked_prices_are_told_as_numbers(says):
    code, text = says("check", "--json")
    told = json.loads(text)
    assert code == 0
    assert [row["unique_id"] for row in told["series"]] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert told["series"][1]["sessions"] == 196
    assert told["series"][0]["first"] == "2000-03-01"


def test_bad_input_prints_no_json(says, tmp_path):
    with new_run(tmp_path, "mine") as folder:
        (folder / "manifest.json").write_text("{")
    assert says("scores", "mine", "--runs-dir", tmp_path, "--json") == (2, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_flags(shell):
    script = app.generate_completion(shell=shell)
    assert "predict" in script
    assert "refit-every" in script
