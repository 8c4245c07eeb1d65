"""Windows as a Keras data set: batches are cut from the panel when they are needed."""

import math
from functools import lru_cache
from typing import Any

import keras
import numpy as np

from forecast.layers.quantile_function import PARAMETERS
from forecast.layers.quantiles import QuantileCRPS
from forecast.windows import Windows

#: The epoch of the draws that a training begins with; the range test before it has draw 0.
FIRST_EPOCH = 1


class TrainingBatches(keras.utils.PyDataset):
    """Batches without end, `steps` of them an epoch, drawn anew each epoch from all windows.

    The draw depends on seed and epoch alone, so two networks see the same batches. Batch `number`
    is counted from the first of epoch `epoch`. `fit` takes them with ``steps_per_epoch=steps``:
    then Keras has one iterator for all epochs, and cuts the next batches while it validates.
    """

    def __init__(
        self, windows: Windows, origins: tuple[int, int], batch_size: int, steps: int, seed: int
    ) -> None:
        super().__init__(workers=1)  # more would cut in Python threads that wait for each other
        self.windows, self.origins = windows, origins
        self.batch_size, self.steps, self.seed = batch_size, steps, seed
        self.pool = windows.pool(origins[1])
        self.epoch = 0
        self.drawn = lru_cache(maxsize=2)(self._draw)

    def _draw(self, epoch: int) -> np.ndarray:
        """The windows (steps, B, 2) of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        count = self.batch_size * self.steps
        chosen = rng.choice(len(self.pool), count, replace=count > len(self.pool))
        return self.pool.windows(chosen).reshape(self.steps, self.batch_size, 2)

    @property
    def num_batches(self) -> None:
        """There is no last batch."""

    def __getitem__(self, number: int) -> Any:
        epoch, step = divmod(number, self.steps)
        return self.cut(self.epoch + epoch, step)

    def cut(self, epoch: int, step: int) -> Any:
        """Return one batch of one epoch: x, y and weight."""
        return tuple(self.windows.batch(self.drawn(epoch)[step], self.origins))


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
