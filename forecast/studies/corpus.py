"""The text that characters are learned from, as numbers.

``story.txt``, 24 kB of plain English, was written for this project and has its licence (MIT).
"""

from functools import cached_property
from pathlib import Path

import numpy as np

#: Share of a text that is held out: its end.
HELD_OUT = 0.15

#: The claim is told of the first of them; in each, another subject follows the full stop.
PAIRS = (
    "Ram is hardworking. Sahil is his friend.",
    "Meera sells tea. Anton mends clocks.",
    "The river is low. Nina sits on the wall.",
    "Victor has a white hat. The boats are late.",
)
STOP, OTHERS = "full stop", "all but a full stop"
BLANK_AFTER, LETTER_AFTER = "blank after it", "letter after that"
#: Characters that are read this often in the held-out part are told apart.
MIN_READ = 30
#: Orders of the models that count which character follows so many others.
ORDERS = (0, 1, 2, 3)


class Corpus:
    """A text of which the last part is held out; windows of T characters are cut from it.

    Raises ValueError when the held-out part is shorter than a window.
    """

    def __init__(self, text: str, length: int) -> None:
        self.alphabet = "".join(sorted(set(text)))
        self.length = length
        border = int(len(text) * (1 - HELD_OUT))
        self.train, self.held_out = self.numbers(text[:border]), self.numbers(text[border:])
        if len(self.held_out) <= length:
            raise ValueError(
                f"The held-out part of the text has {len(self.held_out)} characters. Expected more "
                f"than a window of {length}: give a longer text or a shorter window."
            )

    def numbers(self, text: str) -> np.ndarray:
        """Return the numbers (L,) of the characters of a text."""
        return np.array([self.alphabet.index(sign) for sign in text])

    def text(self, numbers: np.ndarray) -> str:
        """Return the text of numbers (L,)."""
        return "".join(self.alphabet[k] for k in numbers)

    def one_hot(self, numbers: np.ndarray) -> np.ndarray:
        """Return float32 (…, V) of numbers (…)."""
        return np.eye(len(self.alphabet), dtype="float32")[numbers]

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw x (N, T, V) and the characters that follow, y (N, T), from the training part."""
        starts = rng.integers(0, len(self.train) - self.length, count)
        read = self.train[starts[:, None] + np.arange(self.length + 1)]
        return self.one_hot(read[:, :-1]), read[:, 1:]

    @cached_property
    def windows(self) -> np.ndarray:
        """The held-out part in windows (K, T + 1), each half over the one before.

        The second halves of the first T follow each other without a gap, so that every character
        there was read with at least T/2 before it.
        """
        starts = np.arange(0, len(self.held_out) - self.length, self.length // 2)
        return self.held_out[starts[:, None] + np.arange(self.length + 1)]

    def bits(self, order: int) -> float:
        """Bits per held-out character of counting which follows `order` characters.

        Counts from the training part, smoothed by those of the next lower order (Witten & Bell
        1991, "The zero-frequency problem"): a model without any network to compare with.
        """
        counts = [_follow_ups(self.train, k) for k in range(order + 1)]
        total = 0.0
        for place in range(order, len(self.held_out)):
            p = 1 / len(self.alphabet)
            for k, table in enumerate(counts):
                seen = table.get(tuple(self.held_out[place - k : place]), {})
                n, kinds = sum(seen.values()), len(seen)
                if n:
                    p = (seen.get(int(self.held_out[place]), 0) + kinds * p) / (n + kinds)
            total -= np.log2(p)
        return total / (len(self.held_out) - order)


def story() -> str:
    """Return the text that comes with the project."""
    return Path(__file__).with_name("story.txt").read_text(encoding="utf-8")


def _follow_ups(numbers: np.ndarray, order: int) -> dict[tuple[int, ...], dict[int, int]]:
    """Count, for every `order` characters in a row, what follows them."""
    table: dict[tuple[int, ...], dict[int, int]] = {}
    for place in range(order, len(numbers)):
        seen = table.setdefault(tuple(numbers[place - order : place]), {})
        seen[int(numbers[place])] = seen.get(int(numbers[place]), 0) + 1
    return table
