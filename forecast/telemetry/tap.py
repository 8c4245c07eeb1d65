"""A tap on the optimizer: what the gradients are before they are clipped, in graph mode."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class GradientTap:
    """Measures gradients, weights and updates of every weight inside the training step.

    Works on any Keras model: while open, the optimizer's `apply` also writes the norms of its
    gradients into a ring of the last steps, which lies outside the model, so nothing is saved with
    it. That is all that happens in the graph; weights are read, when asked for, between two steps.
    """

    def __init__(self, ring: int = 1) -> None:
        self.ring = ring  #: steps that are kept for `take`
        self.names: list[str] = []
        self.clips = False  #: whether the optimizer clips at all
        self.failed = ""  #: why nothing is measured, if that is so
        self._optimizer: keras.optimizers.Optimizer | None = None

    def open(self, optimizer: keras.optimizers.Optimizer, variables: list[Any]) -> None:
        """Start measuring the given trainable variables."""
        while hasattr(optimizer, "inner_optimizer"):  # mixed precision: behind the loss scale
            optimizer = optimizer.inner_optimizer
        self.names = [variable.path for variable in variables]
        limits = (optimizer.clipnorm, optimizer.global_clipnorm, optimizer.clipvalue)
        self.clips, self.failed = any(limits), ""
        self._variables = variables
        zeros = np.zeros((self.ring, len(variables)), np.float32)
        self._squares = tf.Variable(zeros, trainable=False)
        self._counts = tf.Variable(np.zeros(2, np.int64), trainable=False)  # steps, clipped ones
        self._taken = self._taken_clipped = self._counted = 0
        self._optimizer, self._apply = optimizer, optimizer.apply
        optimizer.apply = self._measured_apply
        self.snapshot()

    def close(self) -> None:
        """Leave the optimizer as it was."""
        if self._optimizer is not None:
            vars(self._optimizer).pop("apply", None)

    def snapshot(self) -> None:
        """Remember the weights of now: updates are told from here."""
        self._before = [np.array(variable.numpy()) for variable in self._variables]

    @property
    def norms(self) -> np.ndarray:
        """Norms (3, V) of gradient before clipping, weight and update, of the last step.

        Weight and update are told from the last `snapshot` (or the last reading, which takes one).
        """
        before = self._before
        self.snapshot()
        moved = [now - old for now, old in zip(self._before, before, strict=True)]
        last = (int(self._counts.numpy()[0]) - 1) % self.ring
        gradient = np.sqrt(self._squares.numpy()[last])
        return np.stack([gradient, *(_lengths(tensors) for tensors in (before, moved))])

    def take(self) -> np.ndarray:
        """Global norms (n,) of the steps since the last call; of more than the ring, the last."""
        steps = int(self._counts.numpy()[0])
        fresh = np.arange(max(self._taken, steps - self.ring), steps)
        self._taken = steps
        return np.sqrt(self._squares.numpy()[fresh % self.ring].sum(axis=1))

    def take_clipped_share(self) -> float:
        """Share of the steps since the last call that were clipped."""
        steps, clipped = self._counts.numpy().tolist()
        share = (clipped - self._taken_clipped) / max(steps - self._counted, 1)
        self._counted, self._taken_clipped = steps, clipped
        return float(share)

    def _measured_apply(self, grads: Any, trainable_variables: Any) -> None:
        self._apply(grads, trainable_variables)
        if not self.failed:
            try:
                self._measure(grads)
            except Exception as error:  # what cannot be built must not stop the training
                self.failed = f"{type(error).__name__}: {error}"

    def _measure(self, grads: Any) -> None:
        dense = [None if g is None else tf.convert_to_tensor(g) for g in grads]
        # As Keras's own clipping has it, so that the graph optimizer makes one of the two.
        squares = [0.0 if g is None else keras.ops.sum(keras.ops.square(g)) for g in dense]
        square = tf.stack([tf.cast(one, tf.float32) for one in squares])  # (V,)
        place = self._counts[0] % self.ring
        self._squares.scatter_nd_update([[place]], [square])
        clipped = self._clipped(square, [g for g in dense if g is not None])
        self._counts.assign_add([1, clipped])

    def _clipped(self, square: tf.Tensor, gradients: list[Any]) -> tf.Tensor:
        """1 when Keras clips these gradients, else 0; it looks at its limits in this order."""
        optimizer = self._optimizer
        assert optimizer is not None
        if optimizer.clipnorm:
            clipped = tf.reduce_max(square) > optimizer.clipnorm**2
        elif optimizer.global_clipnorm:
            clipped = tf.reduce_sum(square) > optimizer.global_clipnorm**2
        elif optimizer.clipvalue:
            largest = tf.stack([tf.reduce_max(tf.abs(g)) for g in gradients])
            clipped = tf.reduce_max(largest) > optimizer.clipvalue
        else:
            return tf.constant(0, tf.int64)
        return tf.cast(clipped, tf.int64)


def _lengths(tensors: list[np.ndarray]) -> np.ndarray:
    """Euclidean norms (V,) of V arrays of any shape."""
    return np.array([np.linalg.norm(tensor.astype(np.float32)) for tensor in tensors])
