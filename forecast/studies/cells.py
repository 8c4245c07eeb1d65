"""What the recurrent layers of the long-lag studies are called, and how they are drawn."""

from typing import Any

#: The LSTM of 1997 had no forget gate, and input gates that start shut.
CELLS = {
    "simple-rnn": "SimpleRNN",
    "gru": "GRU",
    "lstm": "LSTM (forget bias 1)",
    "lstm-1997": "LSTM of 1997 (no forget gate)",
    "chrono-lstm": "LSTM, chrono initialisation",
}
# Okabe & Ito (2008), in figures that none of the models they stand for elsewhere is in.
_NO_FORGET_GATE = ("#E69F00", "--", "v")
_VARIANTS = {
    "lstm-1997": _NO_FORGET_GATE,
    "no_forget_gate": _NO_FORGET_GATE,
    "chrono-lstm": ("#D55E00", "-", "P"),
}


def look(cell: str) -> dict[str, Any]:
    """Return ``color``, ``linestyle`` and ``marker`` of a layer: the same in all these studies."""
    from forecast.plots.style import look_of

    if cell not in _VARIANTS:
        return look_of(cell)
    return dict(zip(("color", "linestyle", "marker"), _VARIANTS[cell], strict=True))
