"""Text of strangers comes out as text: terminal, CSV, Markdown."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from forecast import runs
from forecast.bounded import read_table
from forecast.escaping import as_cell, from_cell, markdown, printable, shown
from forecast.jobs.terminal import Terminal

FORMULAS = ["=cmd()", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "=1", "＝1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_table_program_takes_for_a_formula_gets_a_quote_in_front(text):
    assert as_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["AAPL", "^GSPC", "BRK-B", "'til", "", "1.5", "a=b"])
def test_other_text_stays_as_it_is(text):
    assert as_cell(text) == text == from_cell(text)


@given(st.text(alphabet="'=+-@\t\ra1", max_size=6))
def test_a_cell_gives_back_the_text_it_was_made_of(text):
    assert from_cell(as_cell(text)) == text
    assert as_cell(text)[:1] not in {*"=+-@\t\r"}


def test_a_frame_on_disk_holds_no_formula_and_numbers_are_untouched(tmp_path):
    names = ["=cmd|'/c calc'!A1", "-2", "NA", "007", "'=x", "a,b"]
    number = [-1.5, np.nan, 1e-300, -0.0, 2.0, 3.0]
    frame = pd.DataFrame({"unique_id": names, "=x": number, "n": range(-3, 3)})
    frame["group"] = pd.Categorical(names)
    path = tmp_path / "a.csv"
    runs.write_frame(path, frame)
    rows = list(csv.reader(io.StringIO(path.read_text())))
    assert rows[0] == ["unique_id", "'=x", "n", "group"]
    assert [row[0] for row in rows[1:]] == ["'" + names[0], "'-2", "NA", "007", "''=x", "a,b"]
    assert [row[1:3] for row in rows[1:3]] == [["-1.5", "-3"], ["", "-2"]]
    again = read_table(path)
    assert again["unique_id"].tolist() == again["group"].tolist() == names
    np.testing.assert_array_equal(again["'=x"], number)


def test_signs_that_steer_a_terminal_are_shown_instead():
    assert printable("\x1b[2J\x07 \u202e\ud800 é…×") == "\\x1b[2J\\x07 \\u202e\\ud800 é…×"
    assert printable("a\tb\u00a0c\nd") == "a b c\nd"


@given(st.text())
def test_nothing_that_is_shown_steers_a_terminal(text):
    assert all(line.isprintable() for line in printable(text).split("\n"))


def test_markup_and_escapes_come_out_of_a_terminal_as_text():
    screen = io.StringIO()
    terminal = Terminal(console=Console(file=screen, width=200, force_terminal=True))
    hostile = "[red]x[/red] [link=http://a]b[/link] :apple: \x1b[31mred\\"
    terminal.line(hostile)
    terminal.heading(hostile)
    terminal.result(hostile)
    terminal.table(hostile, ("[b]", hostile), [(hostile, "[/]")])
    with terminal.progress(hostile, 1) as bar:
        bar.step("[red]\x1b[2J")
    said = screen.getvalue()
    assert said.count("[red]x[/red] [link=http://a]b[/link] :apple: \\x1b[31mred\\") >= 5
    assert "\x1b[31m" not in said
    assert "\x1b[2J" not in said


def test_markdown_shows_a_text_as_it_is():
    hostile = "[a](http://b) ![c](d) <b> `e` **f** $g$ :red[h] |i|"
    escaped = markdown(hostile)
    for sign in "[]<>`*$|":
        assert escaped.count(sign) == escaped.count("\\" + sign) == hostile.count(sign)
    assert markdown("AAPL, BRK-B, ^GSPC") == "AAPL, BRK-B, ^GSPC"


def test_any_value_is_shown_in_one_short_piece():
    endless = []
    endless.append(endless)
    assert shown("x" * 1000).startswith("'xxx")
    assert len(shown("x" * 1000)) == 81
    assert shown(10**5000) == "a int too large to be shown"
    assert shown(endless) == "[[...]]"
