import itertools
import re

import numpy as np
import pytest

from forecast.studies.grammar import SYMBOLS, Streams, one_hot, only_legal, strings

# Reber's grammar as a regular expression, worked out by hand from his diagram
INNER = "B(?:TS*X(?:XT*VP)*(?:S|XT*VV)|PT*V(?:PXT*V)*(?:V|PS))E"
EMBEDDED = re.compile(f"B(?:T{INNER}T|P{INNER}P)E")


def words(symbols):
    return ["".join(SYMBOLS[k] for k in row if k >= 0) for row in symbols]


@pytest.fixture(scope="module")
def made():
    return strings(np.random.default_rng(0), 3000, 30)


def test_every_string_is_one_of_the_embedded_reber_grammar(made):
    assert all(EMBEDDED.fullmatch(word) for word in words(made.symbols))
    assert not any(EMBEDDED.fullmatch(w) for w in ("BTBTXSEPE", "BTBTXSET", "BTBPSETE"))


def test_all_short_strings_of_the_grammar_are_made(made):
    middles = ("".join(signs) for n in (3, 4) for signs in itertools.product(SYMBOLS, repeat=n))
    inner = [f"B{middle}E" for middle in middles if re.fullmatch(INNER, f"B{middle}E")]
    short = {word for word in words(made.symbols) if len(word) <= 10}
    assert short == {f"B{s}{word}{s}E" for s in "TP" for word in inner}
    assert len(short) == 10


def test_symbols_come_as_often_as_the_grammar_says(made):
    first = np.array([word[1] for word in words(made.symbols)])
    assert abs((first == "T").mean() - 0.5) < 0.03
    # B T X S E: three free choices of one half each
    assert abs(np.mean([w[2:-2] == "BTXSE" for w in words(made.symbols)]) - 1 / 8) < 0.02


def test_legal_symbols_are_those_that_continue_to_a_whole_string(made):
    prefixes: dict[str, set[str]] = {}
    for word in words(made.symbols):
        for k, symbol in enumerate(word):
            prefixes.setdefault(word[:k], set()).add(symbol)
    for row, word in enumerate(words(made.symbols)):
        for k in range(min(len(word), 8)):  # every prefix so short was drawn with all its sequels
            said = {SYMBOLS[j] for j in np.flatnonzero(made.legal[row, k])}
            assert said == prefixes[word[:k]]


def test_the_outer_place_is_the_last_but_one_and_repeats_the_second_symbol(made):
    length = (made.symbols >= 0).sum(1)
    row, place = np.nonzero(made.outer)
    np.testing.assert_array_equal(row, np.arange(len(made.symbols)))
    np.testing.assert_array_equal(place, length - 2)
    np.testing.assert_array_equal(made.symbols[row, place], made.symbols[:, 1])
    assert not made.legal[np.arange(made.symbols.shape[1]) >= length[:, None]].any()


def test_a_stream_is_strings_without_a_gap_however_it_is_taken():
    whole = Streams(np.random.default_rng(3), 4)
    parts = [whole.take(n).symbols for n in (1, 50, 149)]
    for text in words(np.concatenate(parts, 1)):
        tail = re.sub(EMBEDDED.pattern, "", text)
        assert len(tail) < 60
        assert text.endswith(tail)
    again = Streams(np.random.default_rng(3), 4).take(200).symbols
    np.testing.assert_array_equal(np.concatenate(parts, 1), again)


def test_one_hot_has_nothing_after_the_end_of_a_string():
    np.testing.assert_array_equal(one_hot(np.array([[6, -1]]))[0], [[0] * 6 + [1], [0] * 7])


def test_a_prediction_is_right_when_every_legal_symbol_is_above_every_other():
    legal = np.array([[[True, True, False]] * 3])
    scores = np.array([[[2.0, 1.0, 0.0], [2.0, 0.0, 1.0], [0.0, 1.0, 2.0]]])
    np.testing.assert_array_equal(only_legal(scores, legal), [[True, False, False]])
