"""What a forecast is made of: the share of every input in one output of a network."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

#: Points on the way from the baseline to the input.
STEPS = 24
#: Windows that are run at once.
BATCH = 256


def integrated_gradients(
    model: keras.Model,
    x: np.ndarray,
    baseline: np.ndarray,
    output: Callable[[Any], Any],
    steps: int = STEPS,
) -> np.ndarray:
    """Attributions (N, T, F) of the inputs x (N, T, F) of a model, by integrated gradients.

    ``(x − x₀) ∫₀¹ ∂f(x₀ + α (x − x₀))/∂x dα`` by the midpoint rule, with `baseline` x₀ (F,) and f
    what `output` takes (N,) of the prediction. They add up to f(x) − f(x₀), which gradient × input
    do not. Sundararajan, Taly & Yan 2017, "Axiomatic attribution for deep networks".
    """

    @tf.function
    def slope(batch: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(batch)
            value = output(model(batch, training=False))
        return tape.gradient(value, batch)

    total = np.zeros(x.shape)
    for alpha in (np.arange(steps) + 0.5) / steps:
        way = (baseline + alpha * (x - baseline)).astype(np.float32)
        parts = [way[k : k + BATCH] for k in range(0, len(way), BATCH)]
        total += np.concatenate([slope(tf.constant(part)).numpy() for part in parts])
    return (x - baseline) * total / steps
