"""A tap on the optimizer: what the gradients are before they are clipped, in graph mode."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf


class Taken(NamedTuple):
    """Steps that were tapped, in their order."""

    gradient: np.ndarray  # (n, V) norm of every weight's gradient before clipping
    clipped: np.ndarray  # (n,) whether Keras clipped the step

    @property
    def whole(self) -> np.ndarray:
        """Global norms (n,)."""
        return np.linalg.norm(self.gradient, axis=1)


class GradientTap:
    """Measures gradients, weights and updates of every weight inside the training step.

    Works on any Keras model: while open, the optimizer's `apply` also writes the norms of its
    gradients into a ring of the last steps, which lies outside the model, so nothing is saved with
    it. That is all that happens in the graph; everything else is told from it between two steps.
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
        self._variables = [variable.value for variable in variables]
        # a row per step: the square of every norm, and the largest entry for `clipvalue`
        self._rows = tf.Variable(tf.zeros((self.ring, len(variables) + 1)), trainable=False)
        self._count = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._taken = 0
        self._optimizer, self._apply = optimizer, optimizer.apply
        optimizer.apply = self._measured_apply
        self.snapshot()

    def close(self) -> None:
        """Leave the optimizer as it was."""
        if self._optimizer is not None:
            vars(self._optimizer).pop("apply", None)

    def snapshot(self) -> None:
        """Remember the weights of now: updates are told from here."""
        self._before = [_read(variable) for variable in self._variables]

    def take(self) -> Taken:
        """Return the steps since the last call; of more than the ring holds, the last."""
        count = int(_read(self._count))
        fresh = np.arange(max(self._taken, count - self.ring), count) % self.ring
        self._taken = count
        rows = _read(self._rows)[fresh]
        squares, largest = rows[:, :-1], rows[:, -1]
        return Taken(np.sqrt(squares), self._clipped(squares, largest))

    def moved(self) -> tuple[np.ndarray, np.ndarray]:
        """Norms (V,) of the weights at the last `snapshot`, and of how far they moved since.

        Takes a snapshot.
        """
        before = self._before
        self.snapshot()
        moved = [now - old for now, old in zip(self._before, before, strict=True)]
        return _lengths(before), _lengths(moved)

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
        row = [0.0 if g is None else keras.ops.sum(keras.ops.square(g)) for g in dense]
        assert self._optimizer is not None
        by_value = self._optimizer.clipvalue
        row += [tf.reduce_max([_largest(g) for g in dense if g is not None]) if by_value else 0.0]
        row = tf.stack([tf.cast(one, tf.float32) for one in row])  # (V + 1,)
        self._rows.scatter_nd_update([[self._count % self.ring]], [row])
        self._count.assign_add(1)

    def _clipped(self, squares: np.ndarray, largest: np.ndarray) -> np.ndarray:
        """Whether Keras clipped steps of squared norms (n, V); it looks at its limits in order."""
        optimizer = self._optimizer
        assert optimizer is not None
        if optimizer.clipnorm:
            return squares.max(axis=1) > optimizer.clipnorm**2
        if optimizer.global_clipnorm:
            return squares.sum(axis=1) > optimizer.global_clipnorm**2
        return largest > (optimizer.clipvalue or np.inf)


def _read(variable: tf.Variable) -> np.ndarray:
    """Value of a variable, by the bare operation: less than half the time of `numpy()`."""
    return tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype).numpy()


def _largest(gradient: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.reduce_max(tf.abs(gradient)), tf.float32)


def _lengths(tensors: list[np.ndarray]) -> np.ndarray:
    """Euclidean norms (V,) of V arrays of any shape."""
    return np.array([np.linalg.norm(tensor.astype(np.float32)) for tensor in tensors])
