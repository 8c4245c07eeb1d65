"""The embedded Reber grammar (Reber 1967; Hochreiter & Schmidhuber 1997, experiment 1).

A string is ``B s r s E``: r is a string of Reber's grammar, s one of T and P. The second s can
only be told by remembering the first; all else follows from the symbols just before.
"""

from typing import NamedTuple

import numpy as np

SYMBOLS = "BTPSXVE"

#: Reber's grammar: for each state, symbols and the state each leads to; 0 is the start.
REBER = (
    {"B": 1},
    {"T": 2, "P": 3},
    {"S": 2, "X": 4},
    {"T": 3, "V": 5},
    {"X": 3, "S": 6},
    {"P": 4, "V": 6},
    {"E": 7},
)


def _embedded() -> list[dict[str, int]]:
    """Reber's grammar twice, once for each s; the last state leads back to the first."""
    branch = len(REBER) + 1  # the grammar, then the state where s is due
    last = 2 + 2 * branch
    states: list[dict[str, int]] = [{"B": 1}, {"T": 2, "P": 2 + branch}]
    for s in "TP":
        start = len(states)
        states += [{symbol: start + to for symbol, to in moves.items()} for moves in REBER]
        states.append({s: last})
    return [*states, {"E": 0}]


_STATES = _embedded()
_CHOICES = np.array([len(moves) for moves in _STATES])
_SYMBOL = np.array(
    [[SYMBOLS.index(list(moves)[k % len(moves)]) for k in (0, 1)] for moves in _STATES]
)
_NEXT = np.array([[list(moves.values())[k % len(moves)] for k in (0, 1)] for moves in _STATES])
_LEGAL = np.array([[symbol in moves for symbol in SYMBOLS] for moves in _STATES])
_OUTER = np.array([moves.keys() < {"T", "P"} for moves in _STATES])


class Strings(NamedTuple):
    """Symbols as numbers, −1 after the end of a string, and what may stand where they do."""

    symbols: np.ndarray  # (N, T) int
    legal: np.ndarray  # (N, T, 7) bool: the symbols that the grammar allows here
    outer: np.ndarray  # (N, T) bool: the place of the second s


class Streams:
    """N streams in which one embedded string follows the other, without end and without a gap."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self.rng = rng
        self.state = np.zeros(count, int)

    def take(self, steps: int) -> Strings:
        """Return the next T symbols of every stream; all legal symbols are equally likely."""
        states, symbols = [], []
        for draw in self.rng.random((steps, len(self.state))):
            choice = (draw * _CHOICES[self.state]).astype(int)
            states.append(self.state)
            symbols.append(_SYMBOL[self.state, choice])
            self.state = _NEXT[self.state, choice]
        place = np.stack(states, 1)  # (N, T)
        return Strings(np.stack(symbols, 1), _LEGAL[place], _OUTER[place])


def strings(rng: np.random.Generator, count: int, longest: int) -> Strings:
    """Return N whole strings of at most T = `longest` symbols; longer ones are drawn again."""
    made = Streams(rng, count).take(longest)
    ends = made.symbols == SYMBOLS.index("E")
    ends &= ends.cumsum(1) == 2  # the first E is that of the string inside
    lasts = ends.cumsum(1) - ends == 0  # up to the end, and that too
    whole = ends.any(1)
    made = Strings(
        np.where(lasts, made.symbols, -1)[whole],
        (made.legal & lasts[..., None])[whole],
        (made.outer & lasts)[whole],
    )
    if whole.all():
        return made
    rest = strings(rng, int(count - whole.sum()), longest)
    return Strings(*(np.concatenate(parts) for parts in zip(made, rest, strict=True)))


def one_hot(symbols: np.ndarray) -> np.ndarray:
    """One-hot ``(N, T, 7)`` float32 of symbols ``(N, T)``; all zeros where there is none."""
    rows = np.vstack([np.eye(len(SYMBOLS)), np.zeros(len(SYMBOLS))])
    return rows[symbols].astype("float32")


def only_legal(scores: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """Whether every legal symbol scores higher than every other: (N, T) bool of ``(N, T, 7)``."""
    worst = np.where(legal, scores, np.inf).min(-1)
    best_other = np.where(legal, -np.inf, scores).max(-1)
    return worst > best_other
