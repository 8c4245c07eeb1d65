"""What a training is given of its windows: statistics of the features, a probe to look at."""

from collections.abc import Iterator

import numpy as np

from forecast.models.network import FeatureStatistics
from forecast.telemetry import Probe
from forecast.windows import Windows

#: Windows in the probe batch on which gradients by lag and gates are measured.
PROBE_WINDOWS = 32
#: Windows among which they are looked for, at most about.
PROBE_POOL = 1_000_000


def feature_statistics(windows: Windows, last_origin: int) -> FeatureStatistics:
    """Mean and variance (F,) of the features over the training sessions of all tickers."""
    used = [(u, a) for u, a in enumerate(windows.first) if a <= last_origin]

    def parts() -> Iterator[np.ndarray]:
        return (windows.features[u, a : last_origin + 1].astype(np.float64) for u, a in used)

    count = sum(last_origin + 1 - a for _, a in used)
    mean = sum(rows.sum(axis=0) for rows in parts()) / count
    variance = sum(((rows - mean) ** 2).sum(axis=0) for rows in parts()) / count
    return FeatureStatistics(mean, np.maximum(variance, 1e-6), int(count))


def make_probe(windows: Windows, origins: tuple[int, int]) -> Probe | None:
    """Windows that end at validation origins, spread evenly, with a loss at their end alone."""
    lookback = windows.settings.lookback
    pool = windows.pool(origins[1])
    numbers = np.arange(len(pool))[:: max(len(pool) // PROBE_POOL, 1)]
    chosen = pool.windows(numbers)
    last = chosen[:, 1] + lookback - 1
    chosen, last = chosen[last >= origins[0]], last[last >= origins[0]]
    y = windows.targets(chosen[:, 0], last, windows.settings.learned_horizons)  # (N, K)
    chosen = chosen[np.isfinite(y).all(axis=1)]
    if not len(chosen):
        return None
    rows = np.linspace(0, len(chosen) - 1, min(PROBE_WINDOWS, len(chosen))).astype(int)
    batch = windows.batch(chosen[rows], origins)
    batch.weight[:, :-1] = 0
    return Probe(*batch)
