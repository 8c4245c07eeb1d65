"""The LSTM of one step, as the text of its equations, with the ablations of the literature."""

from typing import Any, Literal, get_args

import keras
from keras import ops

from forecast.layers.checks import check_units

Ablation = Literal[
    "no_input_gate",
    "no_forget_gate",
    "no_output_gate",
    "no_modulation_gate",
    "no_output_activation",
    "coupled",
    "peepholes",
]
#: The names of the ablations; `LSTMCell` says where each is from.
ABLATIONS: tuple[str, ...] = get_args(Ablation)


@keras.saving.register_keras_serializable(package="forecast")
class ConstantGateBias(keras.initializers.Initializer):
    """Start the forget gates at one bias, the input gates at another, the rest at zero; ``(4U,)``.

    A forget bias of 1 is the advice of Jozefowicz et al. 2015, "An empirical exploration of
    recurrent network architectures": f = σ(1) = 0.731 keeps a memory for 3.7 steps. Input gates
    that start shut, at a bias below 0, keep noise out of it (Hochreiter & Schmidhuber 1997).
    """

    def __init__(self, forget_bias: float = 1.0, input_bias: float = 0.0) -> None:
        self.forget_bias, self.input_bias = forget_bias, input_bias

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        """Return the bias of shape ``(4U,)``."""
        units = shape[0] // 4
        starts = (self.input_bias, self.forget_bias, 0.0, 0.0)
        return ops.concatenate([ops.full((units,), start, dtype=dtype) for start in starts])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"forget_bias": self.forget_bias, "input_bias": self.input_bias}


@keras.saving.register_keras_serializable(package="forecast")
class ChronoBias(keras.initializers.Initializer):
    """Start with memories of 1 to `horizon` steps: b_f = log U(1, T − 1), b_i = −b_f.

    Tallec & Ollivier 2018, "Can recurrent neural networks warp time?"; shape ``(4U,)``. Raises
    ValueError when `horizon` is not above 2.
    """

    def __init__(self, horizon: int, seed: int | None = None) -> None:
        if horizon <= 2:
            raise ValueError(
                f"Chrono initialisation draws from log U(1, horizon - 1), got horizon={horizon}. "
                "Expected more than 2: pass the longest lag that matters, such as the lookback."
            )
        self.horizon = horizon
        self.seed = seed
        self._seed = seed if seed is not None else keras.random.SeedGenerator()

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        """Return the bias of shape ``(4U,)``."""
        units = shape[0] // 4
        forget = ops.log(
            keras.random.uniform((units,), 1.0, self.horizon - 1.0, dtype=dtype, seed=self._seed)
        )
        zeros = ops.zeros((2 * units,), dtype=dtype)
        return ops.concatenate([-forget, forget, zeros])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"horizon": self.horizon, "seed": self.seed}


def check_bias(cell: keras.layers.LSTMCell) -> None:
    """Raise ValueError when both Keras and an initializer of ours would set the forget gates."""
    ours = isinstance(cell.bias_initializer, ConstantGateBias | ChronoBias)
    if ours and cell.use_bias and cell.unit_forget_bias:
        raise ValueError(
            f"{type(cell.bias_initializer).__name__} starts the biases of all four gates, and "
            "unit_forget_bias=True, the default, those of the forget gates at 1. Expected one of "
            "the two: pass unit_forget_bias=False beside the initializer."
        )


@keras.saving.register_keras_serializable(package="forecast")
class LSTMCell(keras.layers.LSTMCell):
    """One step of an LSTM (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

    Weights, their order and every argument are those of `keras.layers.LSTMCell`: kernel
    ``(F, 4U)``, recurrent_kernel ``(U, 4U)``, bias ``(4U,)``, gates i, f, c, o. Added to them:

    `ablation`: one of `ABLATIONS`. These are, in their order, the variants NIG, NFG, NOG, NIAF (the
    candidate without its tanh), NOAF and CIFG (f = 1 − i) of Greff et al. 2017, "LSTM: A search
    space odyssey", and, as there are none in the cell as it is here, the peepholes of Gers &
    Schmidhuber 2000, "Recurrent nets that time and count", which add a weight ``(3, U)``. The
    columns of a gate that is left out stay in the kernels, unused, so that weights can be carried
    from one variant to the other.

    `bias_initializer` may be `ConstantGateBias` or `ChronoBias`; these need
    ``unit_forget_bias=False``. Raises ValueError for an unknown ablation and for units below 1.

    >>> layer = keras.layers.RNN(LSTMCell(32, ablation="coupled"), return_sequences=True)
    """

    def __init__(self, units: int, ablation: Ablation | None = None, **kwargs: Any) -> None:
        if ablation is not None and ablation not in ABLATIONS:
            raise ValueError(
                f"There is no LSTM ablation {ablation!r}. Expected one of "
                f"{', '.join(ABLATIONS)}: pass one of these, or None for the whole cell."
            )
        check_units("LSTMCell", units)
        super().__init__(units, **kwargs)
        check_bias(self)
        self.ablation = ablation

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for inputs ``(N, F)``."""
        super().build(input_shape)
        if self.ablation == "peepholes":
            self.peepholes = self.add_weight(
                shape=(3, self.units), name="peepholes", initializer="zeros"
            )

    def step(
        self, inputs: Any, states: Any, training: bool = False
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Return h and c ``(N, U)`` and the gates i, f, g, o, each ``(N, U)``."""
        return step(self, inputs, states, training, self.ablation)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """Return the output h and the states [h, c], each ``(N, U)``."""
        h, c, _ = self.step(inputs, states, training)
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "ablation": self.ablation,
            "implementation": self.implementation,
        }


def step(
    cell: keras.layers.LSTMCell,
    inputs: Any,
    states: Any,
    training: bool = False,
    ablation: str | None = None,
) -> tuple[Any, Any, dict[str, Any]]:
    """One step from inputs ``(N, F)`` and states h₋₁, c₋₁ with the weights of `cell`.

    With z the pre-activations and g the candidate c̃:

        z = x W + h₋₁ V + b
        i = σ(z_i)   f = σ(z_f)   g = tanh(z_c)   o = σ(z_o)
        c = f ⊙ c₋₁ + i ⊙ g
        h = o ⊙ tanh(c)

    Returns h, c and the gates i, f, g, o, each ``(N, U)``.
    """
    h_tm1, c_tm1 = states
    z_i, z_f, z_c, z_o = _pre_activations(cell, inputs, h_tm1, training)  # each (N, U)
    squash, gate = cell.activation, cell.recurrent_activation
    if ablation == "peepholes":  # i and f see the cell as it was, o as it becomes
        z_i += c_tm1 * cell.peepholes[0]
        z_f += c_tm1 * cell.peepholes[1]
    one = ops.ones_like(z_i)
    i = one if ablation == "no_input_gate" else gate(z_i)
    f = one if ablation == "no_forget_gate" else gate(z_f)
    if ablation == "coupled":
        f = 1 - i
    g = z_c if ablation == "no_modulation_gate" else squash(z_c)
    c = f * c_tm1 + i * g
    if ablation == "peepholes":
        z_o += c * cell.peepholes[2]
    o = one if ablation == "no_output_gate" else gate(z_o)
    h = o * (c if ablation == "no_output_activation" else squash(c))
    return h, c, {"i": i, "f": f, "g": g, "o": o}


def _pre_activations(
    cell: keras.layers.LSTMCell, inputs: Any, h_tm1: Any, training: bool
) -> list[Any]:
    """Return z of the four gates; dropout masks one per gate or one for all, as Keras has it."""
    drop = training and 0 < cell.dropout < 1
    drop_recurrent = training and 0 < cell.recurrent_dropout < 1
    x_masks = cell.get_dropout_mask(inputs) if drop else None
    h_masks = cell.get_recurrent_dropout_mask(h_tm1) if drop_recurrent else None
    x = _products(inputs, x_masks, cell.kernel)
    h = _products(h_tm1, h_masks, cell.recurrent_kernel)
    biases = ops.split(cell.bias, 4) if cell.use_bias else [0, 0, 0, 0]
    return [x_k + h_k + b_k for x_k, h_k, b_k in zip(x, h, biases, strict=True)]


def _products(values: Any, masks: Any, kernel: Any) -> list[Any]:
    """Return values × mask × kernel for the four gates, each ``(N, U)``."""
    if not isinstance(masks, list):
        masked = values if masks is None else values * masks
        return ops.split(ops.matmul(masked, kernel), 4, axis=1)
    parts = zip(masks, ops.split(kernel, 4, axis=1), strict=True)
    return [ops.matmul(values * mask, part) for mask, part in parts]
