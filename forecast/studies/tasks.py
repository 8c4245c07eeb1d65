"""The classical tasks: sequences one must remember something of, drawn anew for every batch.

A generator takes a random generator, a count N and a length, and returns x ``(N, T, F)`` float32
and y; the baseline beside it is the loss of a network that remembers nothing.
"""

from typing import NamedTuple

import numpy as np


class Batch(NamedTuple):
    """x ``(N, T, F)`` and y, ``(N, 1)`` numbers or ``(N,)``, ``(N, T)`` classes."""

    x: np.ndarray
    y: np.ndarray


#: Mean squared error of predicting the mean of `adding`: the variance of a sum of two U[0, 1].
ADDING_BASELINE = 1 / 6


def adding(rng: np.random.Generator, count: int, steps: int) -> Batch:
    """The adding problem of Le et al. 2015: the sum of the two marked numbers.

    x ``(N, T, 2)``: values from U[0, 1] and marks, one in each half of the sequence; y ``(N, 1)``
    is the sum of the marked values.
    """
    rows = np.arange(count)
    values = rng.uniform(0, 1, (count, steps))
    marks = np.zeros((count, steps))
    first = rng.integers(0, steps // 2, count)
    second = rng.integers(steps // 2, steps, count)
    marks[rows, first] = marks[rows, second] = 1
    total = values[rows, first] + values[rows, second]
    return Batch(np.stack([values, marks], -1).astype("float32"), _column(total))


def adding_1997(rng: np.random.Generator, count: int, steps: int) -> Batch:
    """The adding problem of Hochreiter & Schmidhuber 1997, experiment 4.

    Lengths are from U[T, 1.1 T]; x ``(N, 1.1 T, 2)``: values from U[−1, 1] and marks: −1 at both
    ends, 1 at one of the first ten steps and at another of the first T/2 − 1. What follows the
    end is all zeros: the mask of `keras.layers.Masking`. y ``(N, 1)`` is 0.5 + (X₁ + X₂)/4; X₁ is
    0 when the first step was drawn, which keeps its −1.
    """
    longest = steps + steps // 10
    rows = np.arange(count)
    length = rng.integers(steps, longest + 1, count)
    x = np.zeros((count, longest, 2))
    x[:, :, 0] = rng.uniform(-1, 1, (count, longest))
    first = rng.integers(0, 10, count)
    second = rng.integers(0, steps // 2 - 2, count)
    second += second >= first  # another one
    x[rows, first, 1] = x[rows, second, 1] = 1
    x[:, 0, 1] = x[rows, length - 1, 1] = -1
    x[np.arange(longest) >= length[:, None]] = 0
    marked = x[:, :, 0] * (x[:, :, 1] == 1)
    return Batch(x.astype("float32"), _column(0.5 + marked.sum(1) / 4))


#: Symbols of `copy_memory` to be remembered, the blank and the delimiter.
LETTERS, BLANK, DELIMITER = 8, 8, 9


def copy_memory(rng: np.random.Generator, count: int, blanks: int) -> Batch:
    """Copy ten letters after `blanks` steps (Arjovsky et al. 2016, after Hochreiter 1997).

    x ``(N, T + 20, 10)`` one-hot: ten of eight letters, T − 1 blanks, a delimiter, ten blanks;
    y ``(N, T + 20)``: T + 10 blanks, then the ten letters.
    """
    letters = rng.integers(0, LETTERS, (count, 10))
    symbols = np.full((count, blanks + 20), BLANK)
    symbols[:, :10] = letters
    symbols[:, blanks + 9] = DELIMITER
    y = np.full((count, blanks + 20), BLANK)
    y[:, -10:] = letters
    return Batch(np.eye(10, dtype="float32")[symbols], y.astype("int32"))


def copy_baseline(blanks: int) -> float:
    """Cross entropy (nats per step) of blanks first and guessed letters last: 10 ln 8/(T + 20)."""
    return float(10 * np.log(LETTERS) / (blanks + 20))


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype("float32")[:, None]


#: Symbols of `temporal_order`: begin, end, four that mean nothing, and the two that do.
ORDER_SYMBOLS = "EBabcdXY"


def temporal_order(rng: np.random.Generator, count: int, steps: int) -> Batch:
    """The order of two symbols (Hochreiter & Schmidhuber 1997, experiment 6a, where T is 100).

    Lengths are from T … 1.1 T; x ``(N, 1.1 T, 8)`` one-hot: E, then a, b, c or d, but X or Y at a
    step from 0.1 T … 0.2 T and at one from 0.5 T … 0.6 T, and B at the end. What follows the end
    is all zeros. y ``(N,)`` is the class: XX, XY, YX, YY.
    """
    longest = steps + steps // 10
    rows = np.arange(count)
    length = rng.integers(steps, longest + 1, count)
    symbols = rng.integers(2, 6, (count, longest))
    order = rng.integers(0, 2, (2, count))  # X or Y, twice
    for which, tenth in zip(order, (1, 5), strict=True):
        at = rng.integers(tenth * steps // 10, (tenth + 1) * steps // 10 + 1, count)
        symbols[rows, at] = 6 + which
    symbols[:, 0] = ORDER_SYMBOLS.index("E")
    symbols[rows, length - 1] = ORDER_SYMBOLS.index("B")
    x = np.eye(len(ORDER_SYMBOLS), dtype="float32")[symbols]
    x[np.arange(longest) >= length[:, None]] = 0
    return Batch(x, (2 * order[0] + order[1]).astype("int32"))
