"""The network: one recurrent layer of any kind, then a quantile function per horizon."""

from typing import Any, NamedTuple, cast

import keras
import numpy as np

from forecast.layers import ABLATIONS, LSTM, ChronoBias, ConstantGateBias, LSTMCell
from forecast.layers.lstm_cell import Ablation
from forecast.layers.quantiles import QuantileCRPS, QuantileHead
from forecast.settings import Cell, Settings

#: The recurrent layers that can be compared; all take the same arguments.
RECURRENT: dict[str, Any] = {
    "lstm": LSTM,
    "keras-lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple-rnn": keras.layers.SimpleRNN,
}


class FeatureStatistics(NamedTuple):
    """What is learned of the features from the training sessions; it travels in the model."""

    mean: np.ndarray  # (F,)
    variance: np.ndarray  # (F,)
    sessions: int  # training sessions, counted over all tickers


#: Units for little and for much to learn from, and the training sessions where it changes.
SMALL, LARGE, MUCH = 8, 32, 50_000


def default_units(training_sessions: int) -> int:
    """Units of the recurrent layer, by the training sessions counted over all tickers.

    Validation prefers 8 on four stocks and nine years, 32 on twenty stocks and 23 years: with
    more, the small set is learned by heart within one epoch.
    """
    return LARGE if training_sessions >= MUCH else SMALL


def recurrent(
    cell: Cell | Ablation, units: int, seed: int, bias: dict[str, Any] | None = None
) -> keras.layers.RNN:
    """Return a layer (B, T, F) → (B, T, U): one of `RECURRENT`, or an ablation of our LSTM."""
    options = {
        **(bias or {}),
        "kernel_initializer": keras.initializers.GlorotUniform(seed=seed),
        "recurrent_initializer": keras.initializers.Orthogonal(seed=seed + 1),
        "seed": seed,
    }
    if cell in ABLATIONS:
        ablated = LSTMCell(units, ablation=cast(Ablation, cell), **options)
        return keras.layers.RNN(ablated, return_sequences=True, name="recurrent")
    return RECURRENT[cell](units, return_sequences=True, name="recurrent", **options)


def build_network(
    settings: Settings, cell: Cell | Ablation, statistics: FeatureStatistics, seed: int = 0
) -> keras.Model:
    """Return the compiled network for windows of `settings.lookback` sessions.

    Args:
        settings: widths, dropout, biases, horizons and learning rate ("auto" starts at Adam's own).
        cell: which recurrent layer, or which ablation of an LSTM.
        statistics: of the features over the training sessions, by which they are normalised.
        seed: every initial weight and dropout mask follows from it, so two cells with the same
            weight shapes start from the same weights.

    Input (B, T, F), output (B, O, K, 4): parameters of the quantile functions of the O = T −
    warm-up origins for the K learned horizons (`forecast.layers.quantile_function`).
    """
    mean, variance, sessions = statistics
    x = keras.Input((settings.lookback, len(mean)), name="features")
    z = keras.layers.Normalization(mean=mean, variance=variance, name="normalization")(x)
    bias = _forget_bias(settings, cell, seed)
    z = recurrent(cell, settings.units or default_units(sessions), seed, bias)(z)  # (B, T, U)
    z = keras.layers.Cropping1D((settings.warmup, 0), name="warmup")(z)  # (B, O, U)
    z = keras.layers.Dropout(settings.dropout, seed=seed, name="dropout")(z)
    y = QuantileHead(settings.learned_horizons, seed=seed, name="head")(z)  # (B, O, K, 4)
    network = keras.Model(x, y, name=cell.replace("-", "_"))
    lr = {} if settings.lr == "auto" else {"learning_rate": settings.lr}
    network.compile(
        optimizer=keras.optimizers.Adam(**lr, global_clipnorm=settings.clip_norm),
        loss=QuantileCRPS(),
        jit_compile=False,
    )
    return network


def _forget_bias(settings: Settings, cell: Cell | Ablation, seed: int) -> dict[str, Any]:
    """How the forget gates of an LSTM start; other cells have none."""
    if cell not in ("lstm", "keras-lstm"):
        return {}
    bias = settings.forget_bias
    start = ChronoBias(settings.lookback, seed) if bias == "chrono" else ConstantGateBias(bias)
    return {"unit_forget_bias": False, "bias_initializer": start}
