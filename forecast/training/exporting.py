"""Trained networks as a SavedModel or an ONNX file, which run without this project."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from forecast.errors import InputError
from forecast.layers import plain_loop
from forecast.layers.quantile_function import mixing, prior_arcsinh
from forecast.models.base import LEVELS
from forecast.training.ensemble import Ensemble
from forecast.training.forecaster import NeuralForecaster

Format = Literal["onnx", "savedmodel"]
#: What Keras needs to write ONNX.
ONNX_PACKAGES = ("tf2onnx", "onnx")


def export(
    forecaster: NeuralForecaster | Ensemble, path: Path, format: Format, levels: np.ndarray = LEVELS
) -> None:
    """Write the fitted network, or the mean of an ensemble, as an ONNX file or a SavedModel folder.

    Inputs: ``features`` (N, T, F) of windows that end at the cutoff, not normalised, as
    `forecast.window_arrays` makes them, and ``volatility`` (N,) per session there. Outputs:
    ``quantiles`` (N, H, Q) of the log return over 1 … H sessions, and ``parameters``
    (N, M, O, K, 4) of the quantile functions of M members at every origin of the window. All
    float32, N free.

    Raises InputError when the packages for ONNX are missing.
    """
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if format == "onnx" and missing:
        raise InputError(
            f"ONNX needs {' and '.join(missing)}: pip install 'forecast[onnx]', or take --format "
            "savedmodel."
        )
    members = forecaster.members if isinstance(forecaster, Ensemble) else [forecaster]
    model = quantile_model(members, levels)
    kind = "onnx" if format == "onnx" else "tf_saved_model"
    with plain_loop(), warnings.catch_warnings():
        # Keras asks whether NumPy has np.object before it calls tf2onnx
        warnings.filterwarnings("ignore", ".*np.object.*", FutureWarning)
        model.export(path, format=kind, verbose=False)


def quantile_model(members: Sequence[NeuralForecaster], levels: np.ndarray = LEVELS) -> keras.Model:
    """Return a model from ``features`` and ``volatility`` to the outputs that `export` names."""
    settings = members[0].settings
    shape = members[0].network_.input_shape[1:]
    features = keras.Input(shape, name="features")
    volatility = keras.Input((), name="volatility")
    horizons = tuple(range(1, settings.horizon + 1))
    function = QuantileFunction(settings.learned_horizons, horizons, levels)
    networks = [_constant(m.network_, f"member_{k}") for k, m in enumerate(members)]
    parameters = [network(features) for network in networks]  # (N, O, K, 4) each
    each = [function(of, volatility) for of in parameters]
    mean = each[0] if len(each) == 1 else keras.layers.Average()(each)
    outputs = {"quantiles": mean, "parameters": ops.stack(parameters, axis=1)}
    model = keras.Model([features, volatility], outputs, name="quantiles")
    model([np.zeros((1, *shape), np.float32), np.ones(1, np.float32)])  # else Keras exports nothing
    return model


def _constant(network: keras.Model, name: str) -> keras.Model:
    """The same layers under another name, with the feature statistics as constants.

    Keras's Normalization keeps them as tensors outside the graph, which ONNX asks for as inputs.
    """

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, keras.layers.Normalization):
            return layer
        deviation = np.sqrt(np.asarray(layer.variance, np.float32)).ravel()
        mean = np.asarray(layer.mean, np.float32).ravel()
        return keras.layers.Rescaling(1 / deviation, -mean / deviation)

    same = keras.models.clone_model(network, clone_function=clone)
    return keras.Model(same.input, same.output, name=name)


class QuantileFunction(keras.layers.Layer):
    """Quantiles (N, H, Q) of the log return from the head's parameters at the last origin.

    Inputs: parameters (N, O, K, 4) for the K `learned` horizons, and the volatility (N,).
    """

    def __init__(
        self, learned: tuple[int, ...], horizons: tuple[int, ...], levels: np.ndarray
    ) -> None:
        super().__init__(name="quantile_function")
        self.mix = mixing(learned, horizons).astype(np.float32)  # (H, K)
        self.root = np.sqrt(horizons).astype(np.float32)  # (H,)
        self.prior = prior_arcsinh(levels).astype(np.float32)  # (Q,)

    def call(self, parameters: Any, volatility: Any) -> Any:
        """Return the quantiles in units of the log return."""
        at_end = ops.swapaxes(parameters[:, -1], 1, 2)  # (N, 4, K)
        mixed = ops.matmul(at_end, self.mix.T)[..., None]  # (N, 4, H, 1)
        location, log_scale, skew, log_tail = (mixed[:, k] for k in range(4))  # (N, H, 1)
        bent = ops.sinh(ops.exp(log_tail) * self.prior + skew) - ops.sinh(skew)  # (N, H, Q)
        scale = volatility[:, None] * self.root  # (N, H)
        return scale[..., None] * (location + ops.exp(log_scale) * bent)
