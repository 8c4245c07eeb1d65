"""Learning-rate range test: train while the learning rate rises, and see what the loss does."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from forecast.errors import InputError
from forecast.telemetry.quantities import update_ratio
from forecast.telemetry.tap import GradientTap
from forecast.training.batches import TrainingBatches, ValidationBatches
from forecast.training.preparing import TrainingData

#: From far too low to far too high.
LOWEST, HIGHEST = 1e-5, 1.0
#: The loss falls, and has stopped to fall, when so much of its whole fall lies behind it.
BEGUN, DONE = 0.1, 0.9

#: Batches of a range test on windows, their size, and the validation windows it looks at.
STEPS, BATCH, LOOKED_AT = 100, 64, 64


class RangeTest(NamedTuple):
    """What a range test saw: a row per step, ``lr, loss, gradient_norm, update_ratio``.

    `loss` is that of fixed sequences after the step, the norm is taken before clipping, and the
    ratio ‖Δw‖/‖w‖ is the median over the weights.
    """

    frame: pd.DataFrame
    start: float  #: loss before the first step

    @property
    def chosen(self) -> float:
        """The middle, on a log scale, of the suggested range."""
        return float(np.sqrt(np.prod(self.suggested)))

    @property
    def suggested(self) -> tuple[float, float]:
        """The learning rates between which the loss falls (Smith 2017).

        From where a tenth of the whole fall is done to where nine tenths are. Raises InputError
        when the loss never falls.
        """
        loss = self.frame["loss"].fillna(np.inf).to_numpy()
        lowest = int(loss.argmin())
        if not loss[lowest] < self.start:
            raise InputError(
                f"--lr auto found no learning rate from {LOWEST:g} to {HIGHEST:g} at which the "
                f"validation loss falls below {self.start:.4f}, where it starts; pass a number, "
                "such as --lr 1e-3."
            )
        fallen = (self.start - loss[: lowest + 1]) / (self.start - loss[lowest])
        first, last = (int(np.argmax(fallen >= share)) for share in (BEGUN, DONE))
        lr = self.frame["lr"].to_numpy()
        return float(lr[first]), float(lr[last])


def range_test(
    network: keras.Model, batches: Iterable[Any], fixed: tuple[Any, ...], steps: int
) -> RangeTest:
    """Train a compiled network for `steps` batches, the learning rate rising from 1e-5 to 1.

    `fixed` is a batch (x, y, weight) whose loss is followed. The network is spent afterwards.
    Smith 2017, "Cyclical learning rates for training neural networks".
    """
    tap = GradientTap()
    tap.open(network.optimizer, network.trainable_variables)
    network.make_train_function(force=True)
    start = _loss(network, fixed)
    rows = []
    try:
        rates = np.geomspace(LOWEST, HIGHEST, steps)
        for lr, batch in zip(rates, batches, strict=False):
            network.optimizer.learning_rate.assign(lr)
            network.train_on_batch(*batch)
            weight, update = tap.moved()
            ratio = float(np.median(update_ratio(update, weight)))
            rows.append((lr, _loss(network, fixed), float(tap.take().whole[-1]), ratio))
    finally:
        tap.close()
        network.make_train_function(force=True)
    columns = ["lr", "loss", "gradient_norm", "update_ratio"]
    return RangeTest(pd.DataFrame(rows, columns=columns), start)


def range_test_on_windows(network: keras.Model, data: TrainingData, seed: int) -> RangeTest:
    """Range test on training batches; the loss is that of validation windows, spread evenly."""
    windows, validation = data.windows, data.validation
    batches = TrainingBatches(windows, data.train, BATCH, STEPS, seed)
    cover = ValidationBatches(windows, validation, BATCH).cover
    rows = np.linspace(0, len(cover) - 1, min(LOOKED_AT, len(cover))).astype(int)
    fixed = tuple(windows.batch(cover[rows], validation))
    return range_test(network, (batches[k] for k in range(STEPS)), fixed, STEPS)


def _loss(network: keras.Model, batch: tuple[Any, ...]) -> float:
    return float(network.test_on_batch(*batch, return_dict=True)["loss"])
