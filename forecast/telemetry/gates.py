"""The gates of an LSTM layer on a batch."""

from typing import Any

import keras
import numpy as np
from keras import ops

from forecast.telemetry.probe import twin_of

#: Names of the gates in telemetry, by the symbols of the layer.
NAMES = {"i": "input", "f": "forget", "g": "candidate", "o": "output"}


def gate_values(model: keras.Model, layer: keras.layers.RNN, x: Any) -> dict[str, np.ndarray]:
    """Gates and states (B, T, U) of an LSTM layer, ours or Keras's, in a functional model on x.

    Keys are input, forget, candidate, output, and h and c. Empty for other layers.
    """
    if not isinstance(layer, keras.layers.LSTM):
        return {}
    inner = keras.Model(model.inputs, layer.input)
    sequences = inner(keras.tree.flatten(x), training=False)
    traced = twin_of(layer)(sequences, return_gates=True)[-1]
    return {NAMES.get(key, key): ops.convert_to_numpy(value) for key, value in traced.items()}
