"""The LSTM of one step, as the text of its equations, with the ablations of the literature."""

from typing import Any, Literal, get_args

import keras
from keras import ops

Ablation = Literal[
    "no_input_gate",
    "no_forget_gate",
    "no_output_gate",
    "no_modulation_gate",
    "no_output_activation",
    "coupled",
    "peepholes",
]
#: Variants of Greff et al. 2017, "LSTM: A search space odyssey": NIG, NFG, NOG, NIAF (the
#: candidate without its tanh), NOAF, CIFG (f = 1 − i), and, as the vanilla LSTM has none here,
#: the peepholes of Gers & Schmidhuber 2000, "Recurrent nets that time and count".
ABLATIONS: tuple[str, ...] = get_args(Ablation)


@keras.saving.register_keras_serializable(package="forecast")
class ConstantGateBias(keras.initializers.Initializer):
    """Start the forget gates at one bias, all other gates at zero; shape ``(4U,)``.

    A forget bias of 1 is the advice of Jozefowicz et al. 2015, "An empirical exploration of
    recurrent network architectures": f = σ(1) = 0.731 keeps a memory for 3.7 steps.
    """

    def __init__(self, forget_bias: float = 1.0) -> None:
        self.forget_bias = forget_bias

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        units = shape[0] // 4
        forget = ops.full((units,), self.forget_bias, dtype=dtype)
        zeros = ops.zeros((units,), dtype=dtype)
        return ops.concatenate([zeros, forget, zeros, zeros])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"forget_bias": self.forget_bias}


@keras.saving.register_keras_serializable(package="forecast")
class ChronoBias(keras.initializers.Initializer):
    """Start with memories of 1 to `horizon` steps: b_f = log U(1, T − 1), b_i = −b_f.

    Tallec & Ollivier 2018, "Can recurrent neural networks warp time?"; shape ``(4U,)``. Raises
    ValueError when `horizon` is not above 2.
    """

    def __init__(self, horizon: int, seed: int | None = None) -> None:
        if horizon <= 2:
            raise ValueError(
                f"Chrono initialisation draws from log U(1, horizon - 1) and got horizon={horizon}. "
                "Expected more than 2 steps: pass the longest lag that matters, such as the lookback."
            )
        self.horizon = horizon
        self.seed = seed
        self._seed = seed if seed is not None else keras.random.SeedGenerator()

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        units = shape[0] // 4
        forget = ops.log(
            keras.random.uniform((units,), 1.0, self.horizon - 1.0, dtype=dtype, seed=self._seed)
        )
        zeros = ops.zeros((2 * units,), dtype=dtype)
        return ops.concatenate([-forget, forget, zeros])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"horizon": self.horizon, "seed": self.seed}


@keras.saving.register_keras_serializable(package="forecast")
class LSTMCell(keras.layers.LSTMCell):
    """One step of an LSTM (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

    Weights, their order and every argument are those of `keras.layers.LSTMCell`: kernel
    ``(F, 4U)``, recurrent_kernel ``(U, 4U)``, bias ``(4U,)``, gates i, f, c, o. Added to them:

    `ablation`: one of `ABLATIONS`. The columns of a gate that is left out stay in the kernels,
    unused, so that weights can be carried from one variant to the other. "peepholes" adds a
    weight ``(3, U)``.

    `bias_initializer` may be `ConstantGateBias` or `ChronoBias`; these need
    ``unit_forget_bias=False``. Raises ValueError for an unknown ablation.

    >>> layer = keras.layers.RNN(LSTMCell(32, ablation="coupled"), return_sequences=True)
    """

    def __init__(self, units: int, ablation: Ablation | None = None, **kwargs: Any) -> None:
        if ablation is not None and ablation not in ABLATIONS:
            raise ValueError(
                f"There is no LSTM ablation {ablation!r}. Expected None or one of "
                f"{', '.join(ABLATIONS)}."
            )
        super().__init__(units, **kwargs)
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
        """Return h ``(N, U)``, c ``(N, U)`` and the gates i, f, g, o, each ``(N, U)``.

        g is the candidate c̃; z are the pre-activations:

            z = x W + h₋₁ V + b
            i = σ(z_i)   f = σ(z_f)   g = tanh(z_c)   o = σ(z_o)
            c = f ⊙ c₋₁ + i ⊙ g
            h = o ⊙ tanh(c)
        """
        h_tm1, c_tm1 = states
        z_i, z_f, z_c, z_o = self._pre_activations(inputs, h_tm1, training)  # each (N, U)
        squash, gate = self.activation, self.recurrent_activation
        if self.ablation == "peepholes":  # the gates see the cell: i and f the last, o the new one
            z_i += c_tm1 * self.peepholes[0]
            z_f += c_tm1 * self.peepholes[1]
        one = ops.ones_like(z_i)
        i = one if self.ablation == "no_input_gate" else gate(z_i)
        f = one if self.ablation == "no_forget_gate" else gate(z_f)
        if self.ablation == "coupled":
            f = 1 - i
        g = z_c if self.ablation == "no_modulation_gate" else squash(z_c)
        c = f * c_tm1 + i * g
        if self.ablation == "peepholes":
            z_o += c * self.peepholes[2]
        o = one if self.ablation == "no_output_gate" else gate(z_o)
        h = o * (c if self.ablation == "no_output_activation" else squash(c))
        return h, c, {"i": i, "f": f, "g": g, "o": o}

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """Return the output h and the states [h, c], each ``(N, U)``."""
        h, c, _ = self.step(inputs, states, training)
        return h, [h, c]

    def _pre_activations(self, inputs: Any, h_tm1: Any, training: bool) -> Any:
        if training and 0 < self.recurrent_dropout < 1:  # one mask per gate (Gal & Ghahramani 2016)
            kernels = ops.split(self.recurrent_kernel, 4, axis=1)
            masks = self.get_recurrent_dropout_mask(h_tm1)
            recurrent = [ops.matmul(h_tm1 * m, k) for m, k in zip(masks, kernels, strict=True)]
        else:
            recurrent = ops.split(ops.matmul(h_tm1, self.recurrent_kernel), 4, axis=1)
        masks = self.get_dropout_mask(inputs) if training and 0 < self.dropout < 1 else None
        if isinstance(masks, list):
            kernels = ops.split(self.kernel, 4, axis=1)
            driven = [ops.matmul(inputs * m, k) for m, k in zip(masks, kernels, strict=True)]
        else:
            x = inputs if masks is None else inputs * masks
            driven = ops.split(ops.matmul(x, self.kernel), 4, axis=1)
        biases = ops.split(self.bias, 4) if self.use_bias else [0, 0, 0, 0]
        return [x + h + b for x, h, b in zip(driven, recurrent, biases, strict=True)]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "ablation": self.ablation,
            "implementation": self.implementation,
        }
