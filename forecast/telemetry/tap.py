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

    def __init__(self, optimizer: keras.optimizers.Optimizer) -> None:
        self.optimizer = optimizer
        self.threshold = optimizer.global_clipnorm or np.inf
        self.names: list[str] = []

    def open(self, variables: list[Any]) -> None:
        """Start measuring the given trainable variables."""
        self.names = [variable.path for variable in variables]
        zeros = np.zeros((3, len(variables)), np.float32)
        self._norms = tf.Variable(zeros, trainable=False)  # rows: gradient, weight, update
        self._clipped = tf.Variable(0.0, trainable=False)
        self._apply = self.optimizer.apply
        self.optimizer.apply = self._measured_apply

    def close(self) -> None:
        """Put the optimizer back as it was."""
        self.optimizer.apply = self._apply

    def _measured_apply(self, grads: Any, trainable_variables: Any) -> None:
        gradient = _norms(grads)  # (V,)
        self._clipped.assign_add(tf.cast(tf.norm(gradient) > self.threshold, tf.float32))
        values = [variable.value for variable in trainable_variables]
        before = [tf.identity(value) for value in values]
        self._apply(grads, trainable_variables)
        update = _norms([value - old for value, old in zip(values, before, strict=True)])
        self._norms.assign(tf.stack([gradient, _norms(before), update]))

    @property
    def norms(self) -> np.ndarray:
        """Norms (3, V) of gradient before clipping, weight and update at the last step."""
        return self._norms.numpy()

    def take_clipped(self) -> float:
        """Steps clipped since the last call."""
        count = float(self._clipped.numpy())
        self._clipped.assign(0.0)
        return count


def _norms(tensors: list[Any]) -> tf.Tensor:
    """Euclidean norms (V,) of V tensors of any shape."""
    return tf.stack([tf.norm(tf.cast(tf.convert_to_tensor(t), tf.float32)) for t in tensors])
