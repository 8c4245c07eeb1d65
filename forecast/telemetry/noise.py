"""The gradient noise scale of a model on a batch."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from forecast.telemetry.probe import Probe
from forecast.telemetry.quantities import noise_scale

#: Equal parts a batch is cut into.
PARTS = 8


class NoiseProbe:
    """Measures the gradient noise scale of a model in rows; traced once."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._graph = tf.function(self._gradient)

    def measure(self, probe: Probe) -> float:
        """Return the noise scale on a batch of at least 16 rows; the rest of 8 is left out."""
        rows = len(keras.tree.flatten(probe.x)[0]) // PARTS
        if rows < 2:
            raise ValueError(f"the noise scale needs a batch of at least {2 * PARTS} rows")
        parts = [
            keras.tree.map_structure(
                lambda part, k=k: None if part is None else part[k * rows : (k + 1) * rows], probe
            )
            for k in range(PARTS)
        ]
        gradients = np.stack([self._graph(*part).numpy() for part in parts])  # (P, W)
        return noise_scale(gradients, rows * PARTS)

    def _gradient(self, x: Any, y: Any, weight: Any) -> Any:
        weights = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(x, y, self.model(x, training=False), weight)
        gradients = tape.gradient(loss, weights)
        flat = [tf.reshape(tf.convert_to_tensor(g), [-1]) for g in gradients if g is not None]
        return tf.concat([tf.cast(g, tf.float32) for g in flat], 0)
