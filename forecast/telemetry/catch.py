"""Catching a training batch, so that any model can be looked into on data it was given."""

from typing import Any

import keras
import tensorflow as tf

from forecast.telemetry.probe import Probe

#: Rows kept of a batch: more would cost time at every look and say the same.
MOST_ROWS = 64


class BatchCatcher:
    """Keeps the last batch that was trained on, in variables that lie outside the model.

    While open, the model's `compute_loss` also keeps what it is given; nothing is copied. Keras
    calls it in every training step unless `train_step` was written anew without it; then nothing
    is caught.
    """

    def __init__(self) -> None:
        self._model: keras.Model | None = None

    def open(self, model: keras.Model) -> None:
        """Start to wait for a batch."""
        self._kept: list[tf.Variable] = []
        self._model, self._compute_loss = model, model.compute_loss
        vars(model)["compute_loss"] = self._catching  # past Keras's tracking: it is no state

    def close(self) -> None:
        """Leave the model as it was."""
        if self._model is not None:
            vars(self._model).pop("compute_loss", None)

    def take(self) -> Probe | None:
        """Return the first rows of the batch, or None when there is none (yet)."""
        if self._model is None or not self._kept:
            return None
        kept = iter([variable.numpy()[:MOST_ROWS] for variable in self._kept])
        flat = [None if part is None else next(kept) for part in keras.tree.flatten(self._form)]
        return Probe(*keras.tree.pack_sequence_as(self._form, flat))

    def _catching(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, **more: Any) -> Any:
        if more.get("training", True):
            self._keep((x, y, sample_weight))
        return self._compute_loss(x, y, y_pred, sample_weight, **more)

    def _keep(self, batch: Any) -> None:
        flat = [tf.convert_to_tensor(p) for p in keras.tree.flatten(batch) if p is not None]
        if not self._kept:
            self._form = keras.tree.map_structure(lambda p: None if p is None else 0, batch)
            with tf.init_scope():  # variables outlive the graph that is being traced
                self._kept = [_variable(tensor.dtype) for tensor in flat]

        for variable, tensor in zip(self._kept, flat, strict=True):
            variable.assign(tensor)


def _variable(dtype: tf.DType) -> tf.Variable:
    """A variable of any shape."""
    return tf.Variable(tf.zeros([], dtype), shape=tf.TensorShape(None), trainable=False)
