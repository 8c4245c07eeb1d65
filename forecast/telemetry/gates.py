"""The gates of an LSTM layer on a batch."""

import keras
import numpy as np
from keras import ops

from forecast.layers import LSTM

#: Names of the gates in telemetry, by the symbols of the layer.
NAMES = {"i": "input", "f": "forget", "g": "candidate", "o": "output"}


def gate_values(
    model: keras.Model, layer: keras.layers.RNN, x: np.ndarray
) -> dict[str, np.ndarray]:
    """Gates (B, T, U) of `layer` on the inputs x of a functional model.

    Keys are input, forget, candidate and output. Empty for layers other than
    `forecast.layers.LSTM`, which do not show their gates.
    """
    if not isinstance(layer, LSTM):
        return {}
    inner = keras.Model(model.inputs, layer.input)
    gates = layer(inner(keras.tree.flatten(x), training=False), return_gates=True)[-1]
    return {name: ops.convert_to_numpy(gates[symbol]) for symbol, name in NAMES.items()}
