"""A trained network looked into, beside an untrained one of the same seed: tidy frames."""

from collections.abc import Sequence

import keras
import numpy as np
import pandas as pd

from forecast.layers.quantile_function import PARAMETERS
from forecast.models.network import FeatureStatistics, build_network
from forecast.settings import Cell, Settings
from forecast.telemetry import Probe
from forecast.telemetry.attribution import integrated_gradients
from forecast.telemetry.gates import gate_values
from forecast.telemetry.lags import GradientByLag
from forecast.telemetry.log import TelemetryLog
from forecast.telemetry.structure import recurrent_layers

#: Windows whose gates are held in memory at once.
BATCH = 128


def untrained(network: keras.Model, settings: Settings, cell: Cell, seed: int) -> keras.Model:
    """Return the network as it was before training: same sizes, statistics and seed."""
    normalization = network.get_layer("normalization")
    mean, variance = (
        np.ravel(keras.ops.convert_to_numpy(part))
        for part in (normalization.mean, normalization.variance)
    )
    (layer,) = recurrent_layers(network).values()
    sized = settings.model_copy(update={"units": layer.units})
    return build_network(sized, cell, FeatureStatistics(mean, variance, 0), seed)


def gate_frame(network: keras.Model, x: np.ndarray, days: pd.DatetimeIndex) -> pd.DataFrame:
    """Gates at the last session of windows x (N, T, F): ``ds, gate, unit, value``.

    `days` (N,) are these sessions. Without rows for cells that show no gates; of an LSTM also its
    cell state, as gate "cell".
    """
    (layer,) = recurrent_layers(network).values()
    frames = []
    for k in range(0, len(x), BATCH):
        traced = gate_values(network, layer, x[k : k + BATCH])
        traced = {"cell" if name == "c" else name: v for name, v in traced.items() if name != "h"}
        for gate, values in traced.items():
            last = pd.DataFrame(values[:, -1])  # (B, U)
            last["ds"] = days[k : k + BATCH]
            frames.append(last.melt("ds", var_name="unit").assign(gate=gate))
    columns = ["ds", "gate", "unit", "value"]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame()


def lag_frame(network: keras.Model, probe: Probe) -> pd.DataFrame:
    """Gradients by lag and what follows from them, as rows of the telemetry frame.

    Raises ValueError when the loss of the probe does not reach the layer.
    """
    log = TelemetryLog()
    looks = GradientByLag(log, detail=False)
    looks.open(network, recurrent_layers(network))
    looks.look(probe)
    for what, why in log.left_out.items():
        raise ValueError(f"{what}: {why}")
    return log.frame


def attribution_frame(
    network: keras.Model, x: np.ndarray, names: Sequence[str], horizon_index: int
) -> pd.DataFrame:
    """What the width of the forecast is made of: ``feature, lag_sessions, value``.

    Mean absolute integrated gradients, from the mean features of training, of the log scale at
    one learned horizon, over windows x (N, T, F).
    """
    baseline = np.ravel(keras.ops.convert_to_numpy(network.get_layer("normalization").mean))
    place = PARAMETERS.index("log_scale")
    parts = integrated_gradients(network, x, baseline, lambda p: p[:, -1, horizon_index, place])
    by_lag = np.abs(parts).mean(axis=0)[::-1]  # (T, F), lag 0 first
    wide = pd.DataFrame(by_lag, columns=list(names)).rename_axis("lag_sessions").reset_index()
    return wide.melt("lag_sessions", var_name="feature")[["feature", "lag_sessions", "value"]]
