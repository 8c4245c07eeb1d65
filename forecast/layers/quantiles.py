"""The head: for each horizon the parameters of a quantile function, and its CRPS as the loss."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from forecast.layers.quantile_function import PARAMETERS, prior_arcsinh

#: Bounds of log_scale, skew and log_tail: tanh keeps each within ± this.
BOUNDS = (2.0, 0.8, 0.7)
#: Levels of the training loss: the midpoints of ten equal parts approximate the 99-level CRPS.
TRAINING_LEVELS = tuple(round(0.05 + 0.1 * k, 2) for k in range(10))


@keras.saving.register_keras_serializable(package="forecast")
class QuantileHead(keras.layers.Layer):
    """Parameters (B, O, K, 4) of a quantile function for each of K learned horizons.

    Args:
        horizons: the K learned horizons in sessions, ascending. Those between are interpolated
            by `at_horizons`: the parameters are in units of volatility × √h, so they change
            slowly with h.
        seed: seed of the kernel's initial values.

    Input (B, O, U), output (B, O, K, 4): location, log scale, skew and log tail, in units of
    volatility × √h. The kernel starts so small that the untrained network forecasts the
    Student-t(5) of the volatility that scales its target: training can only leave a good prior.
    """

    def __init__(self, horizons: tuple[int, ...], seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.horizons = tuple(horizons)
        self.seed = seed
        self.dense = keras.layers.Dense(
            len(self.horizons) * len(PARAMETERS),
            kernel_initializer=keras.initializers.RandomNormal(stddev=1e-2, seed=seed),
            name="dense",
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for inputs (B, O, U)."""
        self.dense.build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Map (B, O, U) to parameters (B, O, K, 4)."""
        raw = self.dense(inputs)  # (B, O, 4K)
        raw = ops.reshape(raw, (*ops.shape(raw)[:-1], len(self.horizons), len(PARAMETERS)))
        bounded = [b * ops.tanh(raw[..., k + 1] / b) for k, b in enumerate(BOUNDS)]
        return ops.stack([raw[..., 0], *bounded], axis=-1)  # (B, O, K, 4)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "horizons": self.horizons, "seed": self.seed}


@keras.saving.register_keras_serializable(package="forecast")
class QuantileCRPS(keras.losses.Loss):
    """CRPS: twice the mean pinball loss over `levels` (Gneiting & Raftery 2007).

    ``y_true`` (B, O, K) against head parameters (B, O, K, 4), both in units of volatility × √h;
    averaged over the targets whose sample weight (B, O, K) is not 0.
    """

    def __init__(
        self,
        levels: tuple[float, ...] = TRAINING_LEVELS,
        reduction: str = "mean_with_sample_weight",
        name: str = "crps",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.levels = tuple(float(level) for level in levels)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the CRPS of each target (B, O, K)."""
        levels = np.array(self.levels, np.float32)
        return _crps(y_true, y_pred, levels, prior_arcsinh(levels).astype(np.float32))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "levels": self.levels}


@tf.function(jit_compile=True)  # fused: several times faster than op by op
def _crps(y: Any, parameters: Any, levels: Any, prior: Any) -> Any:
    location, log_scale, skew, log_tail = tf.unstack(parameters[..., None, :], axis=-1)
    bent = tf.sinh(tf.exp(log_tail) * prior + skew) - tf.sinh(skew)  # (B, O, K, Q)
    error = y[..., None] - location - tf.exp(log_scale) * bent
    pinball = tf.maximum(levels * error, (levels - 1) * error)
    return 2 * tf.reduce_mean(pinball, axis=-1)  # (B, O, K)
