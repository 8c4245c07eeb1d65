"""A tap on the optimizer: what the gradients are before they are clipped, in graph mode."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class GradientTap:
    """Measures gradients, weights and updates of every weight inside the training step.

    Works on any Keras model: while open, the optimizer's `apply` also writes norms into buffers
    that lie outside the model, so nothing is saved with it.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._optimizer: keras.optimizers.Optimizer | None = None

    def open(self, optimizer: keras.optimizers.Optimizer, variables: list[Any]) -> None:
        """Start measuring the given trainable variables."""
        self.names = [variable.path for variable in variables]
        self._threshold = optimizer.global_clipnorm or np.inf
        zeros = np.zeros((3, len(variables)), np.float32)
        self._norms = tf.Variable(zeros, trainable=False)  # rows: gradient, weight, update
        self._counts = tf.Variable([0.0, 0.0], trainable=False)  # clipped steps, all steps
        self._optimizer, self._apply = optimizer, optimizer.apply
        optimizer.apply = self._measured_apply

    def close(self) -> None:
        """Leave the optimizer as it was."""
        if self._optimizer is not None:
            vars(self._optimizer).pop("apply", None)

    def _measured_apply(self, grads: Any, trainable_variables: Any) -> None:
        gradient = _norms(grads)  # (V,)
        clipped = tf.cast(tf.norm(gradient) > self._threshold, tf.float32)
        values = [variable.value for variable in trainable_variables]
        before = [tf.identity(value) for value in values]
        self._apply(grads, trainable_variables)
        update = _norms([value - old for value, old in zip(values, before, strict=True)])
        self._norms.assign(tf.stack([gradient, _norms(before), update]))
        self._counts.assign_add(tf.stack([clipped, 1.0]))

    @property
    def norms(self) -> np.ndarray:
        """Norms (3, V) of gradient before clipping, weight and update at the last step."""
        return self._norms.numpy()

    def take_clipped_share(self) -> float:
        """Share of the steps since the last call that were clipped."""
        clipped, steps = self._counts.numpy()
        self._counts.assign([0.0, 0.0])
        return float(clipped / max(steps, 1))


def _norms(tensors: list[Any]) -> tf.Tensor:
    """Euclidean norms (V,) of V tensors of any shape; 0 for a weight without a gradient."""
    dense = [0.0 if t is None else tf.convert_to_tensor(t) for t in tensors]
    return tf.stack([tf.norm(tf.cast(t, tf.float32)) for t in dense])
