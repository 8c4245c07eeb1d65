"""What a training is given: windows and which of their origins; statistics, a probe, its key."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from forecast.errors import InputError
from forecast.layers.lstm_cell import Ablation
from forecast.models.network import FeatureStatistics
from forecast.prices.panel import Panel
from forecast.settings import Cell, OutputSettings, PriceSettings, Settings
from forecast.telemetry import Probe
from forecast.windows import BURN_IN, Windows, add_solo, build_windows

#: Share of the sessions that validates when no date is given.
VALIDATION_SHARE = 0.2
#: Windows in the probe batch on which gradients by lag and gates are measured.
PROBE_WINDOWS = 32
#: Windows among which they are looked for, at most about.
PROBE_POOL = 1_000_000


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Windows, and the first and last session index of the origins that train and validate."""

    windows: Windows
    market: tuple[str, ...]  # tickers trained on
    train: tuple[int, int]
    validation: tuple[int, int]

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of every number a training sees."""
        digest = hashlib.sha256(f"{self.train} {self.validation}".encode())
        for array in (self.windows.features, self.windows.volatility, self.windows.level):
            for row in array:  # a copy of all of it would not fit everywhere
                digest.update(row.tobytes())
        return digest.hexdigest()


def training_data(
    settings: Settings, panel: Panel, until: pd.Timestamp, validation_start: date | None
) -> TrainingData:
    """Windows of the sessions to `until`; those from `validation_start` on validate.

    Raises InputError when there is nothing to train or to validate on.
    """
    past = panel.select(end=until)
    market = tuple(past.tickers)
    windows = build_windows(past, settings, market)
    if settings.solo:
        windows = add_solo(windows, past)
    border = int(len(past.sessions) * (1 - VALIDATION_SHARE))
    if validation_start:
        border = int(past.sessions.searchsorted(pd.Timestamp(validation_start)))
    purge = settings.horizon
    train = (BURN_IN + settings.warmup, border - purge - 1)
    validation = (border, len(past.sessions) - purge - 1)
    if not len(windows.pool(train[1])) or validation[0] > validation[1]:
        raise InputError(
            f"nothing to train or validate on: {border} sessions before the validation part "
            f"and {len(past.sessions) - border} from there to {until:%Y-%m-%d}; lookback "
            f"{settings.lookback} + horizon {purge} must fit."
        )
    return TrainingData(windows, market, train, validation)


def training_key(settings: Settings, cell: Cell | Ablation, seed: int, data: TrainingData) -> str:
    """What a training is (hex SHA-256): settings that change it, and every number it sees."""
    elsewhere = {*OutputSettings.model_fields, *PriceSettings.model_fields, "cell"}
    chosen = settings.model_dump(mode="json", exclude=elsewhere)
    return hashlib.sha256(f"{cell} {seed} {chosen} {data.sha256}".encode()).hexdigest()


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
