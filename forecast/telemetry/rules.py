"""When a measurement deserves a word: each rule returns a finding with a remedy, or None."""

from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np

from forecast.layers import Reading
from forecast.telemetry.quantities import GATES, Decay, cell_drift

#: Memory of the exponential mean of the gradient norm, and how far above it a spike lies: so many
#: standard deviations, and so many times the mean, because batches of returns differ by twice.
MEMORY, DEVIATIONS, TIMES = 0.97, 2.5, 3


class Finding(NamedTuple):
    """What is wrong, where, by how much, and what may help."""

    kind: str
    value: float
    text: str
    layer: str = ""
    gate: str = ""
    lag_sessions: int | None = None


def reach(layer: keras.layers.RNN, name: str, decay: Decay, lookback: int) -> Finding | None:
    """Vanishing: memory below a tenth of the window. Exploding: growth by more than ten over it."""
    if not np.isfinite(decay.rate):
        return None
    if decay.rate > 1 and decay.rate ** (lookback - 1) > 10:
        text = (
            f"{name}: the gradient grows by {decay.rate:.2f} per session back in time and is "
            f"{decay.rate ** (lookback - 1):.1e} times larger at lag {lookback - 1}; clip it "
            "(global_clipnorm; forecast train: --clip-norm), or start with a smaller or orthogonal "
            "recurrent_initializer"
        )
        return Finding("exploding", decay.rate, text, name, lag_sessions=lookback - 1)
    seen = decay.horizon_sessions
    if seen > lookback / 10:
        return None
    text = (
        f"{name}: the recurrent gradient falls by a factor of {decay.rate:.2f} per session and is "
        f"down to a third at lag {seen:.1f}: this network learns from about {max(1, round(seen))} "
        f"of its {lookback} sessions; {_longer_memory(layer, lookback)}, and let validation say "
        "whether older sessions matter; else a shorter window will do (--lookback)"
    )
    return Finding("vanishing", decay.rate, text, name, lag_sessions=max(1, round(seen)))


def _longer_memory(layer: keras.layers.RNN, lookback: int) -> str:
    bias = np.log(lookback - 1)  # σ(ln(T − 1)) = 1 − 1/T: the carousel keeps for T sessions
    if isinstance(layer, keras.layers.LSTM):
        return (
            f"try a forget bias of {bias:.1f} (= ln {lookback - 1}) or a chrono initialisation "
            f"(forecast train: --forget-bias {bias:.1f} or chrono)"
        )
    if isinstance(layer, keras.layers.GRU):
        return (
            f"try an LSTM with a forget bias of {bias:.1f} (= ln {lookback - 1}; forecast train: "
            f"--cell lstm --forget-bias {bias:.1f})"
        )
    return "try an LSTM or a GRU (forecast train: --cell) or an orthogonal recurrent_initializer"


def gates(name: str, reading: Reading) -> Iterator[Finding]:
    """Saturated: 90 % of a gate's values have no slope. Dead: it hardly gets a gradient.

    A forget gate that is open is no failure: that is what long memory is.
    """
    shut, opened = reading.gate_shut.mean(axis=0), reading.gate_open.mean(axis=0)  # (4,)
    pull = np.sqrt((reading.z_gradient**2).sum(axis=0))  # (4,)
    for k, gate in enumerate(GATES):
        stuck = shut[k] + (0 if gate == "forget" else opened[k])
        if stuck > 0.9:
            where = "below 0.1" if gate == "forget" else "below 0.1 or above 0.9"
            text = (
                f"{name}: the {gate} gate is saturated: {stuck:.0%} of its values lie {where}, "
                "where it hardly learns; try a smaller learning rate, or inputs of unit size"
            )
            yield Finding("saturated gate", stuck, text, name, gate)
        if pull.max() > 0 and pull[k] < 1e-3 * pull.max():
            share = pull[k] / pull.max()
            text = (
                f"{name}: the {gate} gate is dead: the gradient at it is {share:.0e} of that at "
                f"the {GATES[int(pull.argmax())]} gate; try a gate bias nearer to 0"
            )
            yield Finding("dead gate", share, text, name, gate)


def cell_growth(name: str, reading: Reading) -> Finding | None:
    """Cell norm drift: the cell state grows without a bound into the flat part of tanh."""
    drift, end = cell_drift(reading.c_rms), float(reading.c_rms[-1])
    if drift < 1.8 or end < 3:
        return None
    text = (
        f"{name}: the cell state keeps growing, to {end:.1f} (root mean square) at the end of the "
        f"window, {drift:.1f} times that at half of it; tanh is flat there: try a smaller "
        "forget bias or a shorter window"
    )
    return Finding("cell norm drift", drift, text, name)


def clipping(share: float, mean_norm: float) -> Finding | None:
    """Everything clipped: the threshold has become the learning rate."""
    if share < 0.95:
        return None
    text = (
        f"{share:.0%} of the steps of this epoch were clipped: the threshold sets the size of "
        f"every step; try global_clipnorm={mean_norm:.2g} (forecast train: --clip-norm "
        f"{mean_norm:.2g}), the average norm (half to ten times of it converge, Pascanu et al. "
        "2013)"
    )
    return Finding("everything clipped", share, text)


def not_finite(step: int, gradient: np.ndarray, names: list[str]) -> Finding:
    """Non-finite: from here on nothing is learned."""
    bad = np.flatnonzero(~np.isfinite(gradient))
    where = f" (in {names[bad[0]]})" if len(bad) else ""
    text = (
        f"the gradient is not finite at step {step}{where}; try a smaller learning rate, clip the "
        "gradient, and look for NaN in the inputs"
    )
    return Finding("non-finite gradient", float(step), text, names[bad[0]] if len(bad) else "")


class SpikeRule:
    """Gradient spike: 2.5 standard deviations above an exponential mean (0.97), and thrice it."""

    def __init__(self) -> None:
        self.memory = [0, 0.0, 0.0]  #: norms seen, and exponential sums of them and their squares

    def __call__(self, step: int, norm: float) -> Finding | None:
        """Judge one norm by those before it; the first 30 only teach what is usual."""
        finding = None
        count, total, squares = self.memory
        if count >= 30:
            weight = 1 - MEMORY**count
            mean = total / weight
            deviation = max(squares / weight - mean**2, 0) ** 0.5
            if norm > max(mean + DEVIATIONS * deviation, TIMES * mean):
                text = (
                    f"a gradient spike at step {step}: norm {norm:.3g} where {mean:.3g} is usual; "
                    f"look at the data of that batch, or try global_clipnorm={mean:.2g} (forecast "
                    f"train: --clip-norm {mean:.2g})"
                )
                finding = Finding("gradient spike", norm / mean, text)
        new = 1 - MEMORY
        self.memory = [count + 1, MEMORY * total + new * norm, MEMORY * squares + new * norm**2]
        return finding


class UpdateRule:
    """Update ratio off: ‖Δw‖/‖w‖ of a kernel above 0.1 or below 1e-6, three times in a row.

    Biases are left out: they begin at zero, where the ratio says nothing.
    """

    def __init__(self, kernels: list[bool]) -> None:
        self._kernels = np.array(kernels, bool)  # (V,)
        self.odd = np.zeros(len(kernels), int)

    def __call__(self, ratio: np.ndarray, names: list[str]) -> Iterator[Finding]:
        """Judge the ratios (V,) of one step."""
        off = self._kernels & ((ratio > 0.1) | (ratio < 1e-6))
        self.odd = np.where(off, self.odd + 1, 0)
        for k in np.flatnonzero(self.odd == 3):
            size, remedy = ("large", "smaller") if ratio[k] > 0.1 else ("small", "larger")
            text = (
                f"{names[k]}: the updates are too {size}, {ratio[k]:.0e} of the weights per step "
                f"(about 1e-3 is usual); try a {remedy} learning rate"
            )
            yield Finding("update ratio", float(ratio[k]), text, names[k])
