"""Windows as a Keras data set: batches are cut from the panel when they are needed."""

import math
from typing import Any

import keras
import numpy as np

from forecast.layers.quantiles import PARAMETERS, QuantileCRPS
from forecast.windows import Windows


class TrainingBatches(keras.utils.PyDataset):
    """`steps` batches per epoch, drawn anew each epoch from all training windows.

    The draw depends on seed and epoch alone, so two networks see the same batches.
    """

    def __init__(
        self, windows: Windows, origins: tuple[int, int], batch_size: int, steps: int, seed: int
    ) -> None:
        super().__init__(workers=1, max_queue_size=8)
        self.windows, self.origins = windows, origins
        self.batch_size, self.steps, self.seed = batch_size, steps, seed
        self.pool = windows.pool(origins[1])
        self.epoch = 0
        self._draw()

    def _draw(self) -> None:
        rng = np.random.default_rng([self.seed, self.epoch])
        count = self.batch_size * self.steps
        chosen = rng.choice(len(self.pool), count, replace=count > len(self.pool))
        self.drawn = self.pool.windows(chosen).reshape(self.steps, self.batch_size, 2)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> Any:
        return tuple(self.windows.batch(self.drawn[index], self.origins))

    def on_epoch_end(self) -> None:
        """Draw the next epoch's windows."""
        self.go_to(self.epoch + 1)

    def go_to(self, epoch: int) -> None:
        """Draw the windows of an epoch, counted from 0."""
        self.epoch = epoch
        self._draw()


class ValidationBatches(keras.utils.PyDataset):
    """Every validation origin once, in fixed order."""

    def __init__(self, windows: Windows, origins: tuple[int, int], batch_size: int) -> None:
        super().__init__(workers=1, max_queue_size=4)
        self.windows, self.origins, self.batch_size = windows, origins, batch_size
        sessions = np.arange(origins[0], origins[1] + 1)
        ticker = np.repeat(np.arange(len(windows.tickers)), sessions.size)
        cover, row, place = windows.covering(ticker, np.tile(sessions, len(windows.tickers)))
        chosen, row = np.unique(row[place >= 0], return_inverse=True)
        self.cover = cover[chosen]
        # the first window of a ticker may overlap its second: an origin counts in one of them
        places = windows.settings.lookback - windows.settings.warmup
        self.counts = np.zeros((len(chosen), places), np.float32)  # (C, O)
        self.counts[row, place[place >= 0]] = 1

    def __len__(self) -> int:
        return math.ceil(len(self.cover) / self.batch_size)

    def __getitem__(self, index: int) -> Any:
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        x, y, weight = self.windows.batch(self.cover[part], self.origins)
        return x, y, weight * self.counts[part, :, None]


def prior_crps(batches: ValidationBatches) -> float:
    """Validation CRPS, in volatilities, of the prior: what a head of all zeros forecasts."""
    total = weight = 0.0
    loss = QuantileCRPS(reduction="sum")
    for _, y, counts in (batches[k] for k in range(len(batches))):
        zeros = np.zeros((*y.shape, len(PARAMETERS)), np.float32)
        total += float(loss(y, zeros, counts))
        weight += float(counts.sum())
    return total / weight
