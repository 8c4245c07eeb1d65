import io
import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from forecast.jobs import terminal as module
from forecast.jobs.terminal import Terminal


@pytest.fixture
def screen():
    return io.StringIO()


@pytest.fixture
def say(screen):
    """Return a function that makes a terminal that writes to `screen`."""

    def make(quiet=False, json=False, width=200):
        return Terminal(quiet, Console(file=screen, width=width, highlight=False), json)

    return make


def everything(terminal):
    terminal.heading("a heading")
    terminal.line("a line")
    terminal.table("a table", ("", "much", "words"), [("one", "1.5", "good"), ("two", "–", "bad")])
    terminal.result("a result")
    with terminal.stage("work", 2) as bar:
        bar.say("at it")
        bar.step("half")
    terminal.path(Path("runs/mine"))


def test_for_machines_there_is_one_json_object_and_nothing_else(say, screen):
    frame = pd.DataFrame({"ds": pd.to_datetime(["2024-01-02", None]), "x": [1.25, np.nan]})
    with say(json=True) as terminal:
        everything(terminal)
        terminal.data(frame=frame, n=np.int64(3), day=date(2024, 1, 2), worst=float("inf"))
    assert json.loads(screen.getvalue()) == {
        "frame": [{"ds": "2024-01-02", "x": 1.25}, {"ds": None, "x": None}],
        "n": 3,
        "day": "2024-01-02",
        "worst": None,
        "path": "runs/mine",
    }


def test_without_values_of_its_own_json_holds_the_tables_and_the_result(say, screen):
    with say(json=True) as terminal:
        everything(terminal)
    told = json.loads(screen.getvalue())
    assert told["said"] == ["a result"]
    assert told["tables"] == [
        {
            "title": "a table",
            "columns": ["", "much", "words"],
            "rows": [["one", "1.5", "good"], ["two", "–", "bad"]],
        }
    ]


def test_a_command_that_fails_prints_no_json(say, screen):
    def fail():
        with say(json=True) as terminal:
            terminal.data(x=1)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert screen.getvalue() == ""


def test_quiet_leaves_the_table_the_result_and_the_path(say, screen):
    with say(quiet=True) as terminal:
        everything(terminal)
    said = screen.getvalue()
    assert "a heading" not in said
    assert "a line" not in said
    assert all(word in said for word in ("a table", "good", "a result", "runs/mine"))


def test_what_takes_long_is_told_with_its_seconds(say, screen, monkeypatch):
    with say().stage("work", 1):
        pass
    assert screen.getvalue() == ""
    monkeypatch.setattr(module, "LONG", 0)
    with say().stage("work", 1):
        pass
    assert screen.getvalue().strip() == "work: 0.0 s"


def test_numbers_stand_to_the_right_and_words_to_the_left(say, screen):
    rows = [("a", "1.5", "long words"), ("b", "−22.5", "short")]
    say().table("", ("", "number", "word"), rows)
    lines = screen.getvalue().splitlines()
    first, second = (next(line for line in lines if line.strip().startswith(c)) for c in "ab")
    assert first.index("1.5") + 3 == second.index("−22.5") + 5
    assert first.index("long") == second.index("short")


def test_markup_in_what_is_said_is_text(say, screen):
    with say() as terminal:
        terminal.line("[red]not markup[/red]")
        terminal.table("[b]t[/b]", ["[i]"], [["[/]"]])
    assert "[red]not markup[/red]" in screen.getvalue()
    assert "[/]" in screen.getvalue()
