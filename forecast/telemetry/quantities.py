"""What is measured inside a network: pure functions of arrays; each says what it reveals."""

from typing import NamedTuple

import numpy as np

#: A gate below or above these values hardly passes a gradient (Karpathy et al. 2015).
SATURATED = (0.1, 0.9)


class Decay(NamedTuple):
    """Fit of ‖∂L/∂h‖ ~ ρ^lag."""

    rate: float  # ρ, the factor per session
    horizon_sessions: float  # −1/ln ρ; infinite when the gradient does not fall


def memory(norm_by_lag: np.ndarray) -> Decay:
    """Fit the fall of the gradient norm (L,) over the lags 0 … L − 1, in sessions.

    Reveals vanishing (ρ < 1: the network cannot learn from sessions far beyond the memory
    horizon) and explosion (ρ > 1). The fit stops where the norm has fallen below 1e-6 of its
    largest value, which is rounding noise in float32.
    """
    norm = np.asarray(norm_by_lag, float)
    usable = np.isfinite(norm) & (norm > 1e-6 * np.nanmax(norm, initial=1e-300))
    stop = len(norm) if usable.all() else int(usable.argmin())
    if stop < 2:
        return Decay(0.0, 0.0)
    slope = np.polyfit(np.arange(stop), np.log(norm[:stop]), 1)[0]
    return Decay(float(np.exp(slope)), float(-1 / slope) if slope < 0 else np.inf)


def saturation(gate: np.ndarray) -> float:
    """Share of gate values below 0.1 or above 0.9.

    Reveals units that are stuck open or shut: their sigmoid has no slope left to learn by.
    """
    low, high = SATURATED
    return float(np.mean((gate < low) | (gate > high)))


def update_ratio(update_norm: np.ndarray, weight_norm: np.ndarray) -> np.ndarray:
    """‖Δw‖ / ‖w‖ of each weight.

    Reveals a learning rate that is far off: about 1e-3 is usual, 1e-1 destroys, 1e-6 stalls.
    """
    return update_norm / np.maximum(weight_norm, 1e-12)
