import math
from collections import Counter

import numpy as np
import pytest

from forecast.studies.corpus import PAIRS, Corpus, story


@pytest.fixture(scope="module")
def corpus():
    return Corpus(story(), 100)


def test_the_story_is_plain_text_of_the_size_that_is_told(corpus):
    text = story()
    assert text.isascii()
    assert 24_000 < len(text) < 25_000
    assert text.startswith(PAIRS[0])
    assert all(set(pair) <= set(corpus.alphabet) for pair in PAIRS)


def test_numbers_and_text_are_the_same(corpus):
    assert corpus.text(corpus.numbers(PAIRS[1])) == PAIRS[1]
    assert corpus.text(corpus.train) + corpus.text(corpus.held_out) == story()
    assert len(corpus.held_out) == pytest.approx(0.15 * len(story()), abs=1)


def test_what_is_drawn_is_training_text_and_what_follows_it(corpus):
    x, y = corpus.draw(np.random.default_rng(0), 8)
    assert x.shape == (8, 100, len(corpus.alphabet))
    for read, following in zip(x.argmax(-1), y, strict=True):
        np.testing.assert_array_equal(read[1:], following[:-1])
        assert corpus.text(following) in corpus.text(corpus.train)


def test_second_halves_of_the_windows_are_the_held_out_text_without_a_gap(corpus):
    halves = corpus.text(corpus.windows[:, 50:-1].ravel())
    held_out = corpus.text(corpus.held_out)
    assert held_out[50:].startswith(halves)
    assert len(held_out) - 50 - len(halves) <= 50


def test_bits_of_counting_single_characters_are_the_cross_entropy(corpus):
    train, held_out = corpus.text(corpus.train), corpus.text(corpus.held_out)
    counts, V = Counter(train), len(corpus.alphabet)
    n, kinds = len(train), len(counts)
    bits = [-math.log2((counts[sign] + kinds / V) / (n + kinds)) for sign in held_out]
    assert corpus.bits(0) == pytest.approx(np.mean(bits))


def test_counting_knows_a_text_that_repeats_itself():
    corpus = Corpus("abcabc" * 200, 20)
    assert corpus.bits(0) == pytest.approx(math.log2(3), abs=0.02)
    assert corpus.bits(1) < 0.02


def test_a_text_shorter_than_its_windows_is_refused():
    with pytest.raises(ValueError, match=r"has 15 characters. Expected more than a window of 20"):
        Corpus("a" * 100, 20)
