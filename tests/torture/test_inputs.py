"""Bad inputs and fuzzing, a short version; `scripts/torture.py` runs them at length."""

import random

import pytest

from forecast.torture import dirty, fuzz, hostile, inputs
from forecast.torture.counts import campaign
from forecast.torture.outcomes import REFUSED, Outcome, outcome_of


@pytest.mark.parametrize("attack", hostile.every(), ids=lambda attack: attack.name)
def test_an_attack_is_refused_in_one_line(attack, tmp_path):
    assert inputs.tried(attack, tmp_path) == ""
    assert not list(tmp_path.glob("[!ar]*")), "nothing is written but what the attacker wrote"


def test_a_network_that_nobody_touched_is_used(tmp_path):
    good = hostile.pretrained_folder() / hostile.file_of(0)
    found = outcome_of(["predict", str(hostile.made_run(tmp_path, good.read_bytes())), "--quiet"])
    assert found.code == 0, found
    assert "AAPL" in found.out


def test_a_campaign_of_bad_inputs_counts_what_was_clear():
    counts = campaign("inputs")(12, 1, lambda said: None)
    assert str(counts) == "bad inputs 12, clear outcome 12"
    assert sum(counts.by.values()) == 12
    assert counts.faults == ()


def test_there_are_at_least_45_dirty_tables_and_40_attacks():
    assert len(dirty.CASES) >= 45
    assert len(hostile.every()) >= 40


def test_an_outcome_that_is_not_clear_is_counted_with_its_name(monkeypatch):
    case = next(case for case in dirty.CASES if case.error)
    monkeypatch.setattr(inputs, "outcome_of", lambda _: Outcome(0, "fine", ""))
    monkeypatch.setattr(inputs.dirty, "CASES", [case])
    monkeypatch.setattr(inputs.hostile, "every", list)
    counts = inputs.run(0, 0, lambda said: None)
    assert str(counts) == "bad inputs 1, clear outcome 0"
    assert counts.faults[0].startswith(f"{case.name}: ended with 0")


@pytest.mark.parametrize(
    ("found", "words", "said"),
    [
        (Outcome(None, "", "KeyError: 'x'"), (), "ended with None: KeyError"),
        (Outcome(1, "", ""), (), "ended with 1"),
        (Outcome(2, "", "error: a\nb\n"), (), "refused with"),
        (Outcome(2, "", "Traceback\n"), (), "refused with"),
        (Outcome(2, "", "error: \x1b[2J\n"), (), "refused with"),
        (Outcome(2, "", "error: " + "x" * 3000 + "\n"), (), "said 3008 letters"),
        (Outcome(0, "", "a warning"), (), "accepted with"),
        (Outcome(2, "", "error: a\n"), ("b",), "did not say 'b'"),
        (Outcome(2, "", "error: a b\n"), ("b",), ""),
        (Outcome(0, "a\n  b", ""), ("a b",), ""),
    ],
)
def test_a_clear_outcome_is_one_line_with_the_right_words(found, words, said):
    assert found.unclear(words).startswith(said)
    assert bool(found.unclear(words)) == bool(said)
    assert found.unclear(words, code=REFUSED) if found.code != REFUSED else True


def test_spoiled_tables_and_settings_never_end_in_a_traceback():
    counts = campaign("fuzz")(400, 0, lambda said: None)
    assert counts.faults == ()
    assert str(counts) == "fuzz 400, tracebacks 0"
    assert set(counts.by.values()) == {100}


def test_the_same_seed_spoils_alike():
    made = [fuzz._changed_cells(random.Random(5)), fuzz._changed_settings(random.Random(5))]
    again = [fuzz._changed_cells(random.Random(5)), fuzz._changed_settings(random.Random(5))]
    assert made == again
    assert made[0] != fuzz._changed_cells(random.Random(6))


def test_a_traceback_is_counted_with_what_made_it(monkeypatch):
    monkeypatch.setattr(fuzz, "outcome_of", lambda _: Outcome(None, "", "KeyError: 'x'"))
    counts = fuzz.run(4, 0, lambda said: None)
    assert str(counts) == "fuzz 4, tracebacks 4"
    assert "ended with None: KeyError: 'x': b'" in counts.faults[0]
