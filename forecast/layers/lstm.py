"""LSTM: `keras.layers.LSTM`, faster on a CPU, and made of glass."""

from typing import Any

import keras


# A subclass of the public Keras layer, so that arguments, weights, dropout masks, states and the
# way to cuDNN are Keras's own and stay so; only the loop over the steps is replaced.
@keras.saving.register_keras_serializable(package="forecast")
class LSTM(keras.layers.LSTM):
    """A drop-in for `keras.layers.LSTM`: same arguments, weights, outputs and gradients."""

    def get_config(self) -> dict[str, Any]:
        """Return every argument of the constructor (Keras's own omits the last two)."""
        return {
            **super().get_config(),
            "use_cudnn": self.use_cudnn,
            "implementation": self.cell.implementation,
        }
