"""One recurrent layer learns one task: the training loop all studies share."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from forecast.layers import ABLATIONS, LSTM, ChronoBias, ConstantGateBias, LSTMCell
from forecast.studies.tasks import Batch

#: Bias at which the input gates of the LSTM of 1997 start; its authors took −2 to −4 (about).
SHUT = -3.0
#: Draws a batch of so many sequences.
Draw = Callable[[np.random.Generator, int], Batch]
#: Says of predictions and y whether the task is solved.
Solved = Callable[[np.ndarray, np.ndarray], bool]


def recurrent(cell: Any, units: int, seed: int, **options: Any) -> keras.layers.Layer:
    """Return a recurrent layer, seeded: weights with the same shape start the same.

    `cell` is simple-rnn, gru, lstm (ours), keras-lstm, chrono-lstm (``horizon`` says for which
    lag), lstm-1997 or one of `forecast.layers.ABLATIONS`. ``forget_bias`` goes with the LSTMs of
    ours; every other option is Keras's.
    """
    options = {
        "kernel_initializer": keras.initializers.GlorotUniform(seed=seed),
        "recurrent_initializer": keras.initializers.Orthogonal(seed=seed + 1),
        "name": "recurrent",
        **options,
    }
    bias = options.pop("forget_bias", None)
    horizon = options.pop("horizon", None)
    if bias is not None:
        options |= {"unit_forget_bias": False, "bias_initializer": ConstantGateBias(bias)}
    if cell == "chrono-lstm":
        chrono = ChronoBias(horizon, seed=seed + 2)
        return LSTM(units, unit_forget_bias=False, bias_initializer=chrono, **options)
    if cell == "lstm-1997":
        shut = {"bias_initializer": ConstantGateBias(0, SHUT), "unit_forget_bias": False}
        return recurrent("no_forget_gate", units, seed, **options, **shut)
    if cell in ABLATIONS:
        of_layer = ("return_sequences", "stateful", "name")
        layer = {key: options.pop(key) for key in of_layer if key in options}
        return keras.layers.RNN(LSTMCell(units, ablation=cell, **options), **layer)
    kinds = {
        "lstm": LSTM,
        "keras-lstm": keras.layers.LSTM,
        "gru": keras.layers.GRU,
        "simple-rnn": keras.layers.SimpleRNN,
    }
    return kinds[cell](units, **options)


@dataclass(frozen=True)
class Setup:
    """How a network is trained; success ends a training early."""

    batch_size: int = 32
    most_steps: int = 3000
    check_every: int = 100  #: steps between two looks at sequences never trained on
    checked: int = 500  #: how many of them
    lr: float = 1e-3
    clip_norm: float | None = 1.0
    optimizer: str = "adam"


@dataclass(frozen=True)
class Learned:
    """What a training came to; losses are on sequences never trained on, by `checks` steps."""

    model: keras.Model
    checks: list[int]
    losses: list[float]
    solved: bool
    steps: int
    seconds: float


def network(layer: keras.layers.Layer, head: keras.layers.Layer, example: Batch) -> keras.Model:
    """Return input → mask → recurrent layer → head, for batches such as `example`.

    Steps of zeros alone are masked when the example ends in them.
    """
    x = z = keras.Input(example.x.shape[1:])
    if not example.x[:, -1].any(axis=-1).all():
        z = keras.layers.Masking()(z)
    return keras.Model(x, head(layer(z)))


def learn(
    model: keras.Model, draw: Draw, setup: Setup, loss: Any, seed: int, solved: Solved | None = None
) -> Learned:
    """Train on sequences drawn anew for every step, until the task is solved or the steps are used.

    Every batch follows from `seed`. A loss that is no number any more ends the training.
    """
    optimizer = keras.optimizers.get(
        {
            "class_name": setup.optimizer,
            "config": {"learning_rate": setup.lr, "global_clipnorm": setup.clip_norm},
        }
    )
    # Compiled whole, Keras's loops take a third of the time; ours compiles itself.
    whole = not any(isinstance(layer, LSTM) for layer in model.layers)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=whole)
    check = _Check(draw(np.random.default_rng([seed, 1]), setup.checked), solved)
    started = time.perf_counter()
    history = model.fit(
        _Stream(draw, setup, seed),
        epochs=-(-setup.most_steps // setup.check_every),
        callbacks=[check, keras.callbacks.TerminateOnNaN()],
        shuffle=False,
        verbose=0,
    )
    return Learned(
        model=model,
        checks=[setup.check_every * (k + 1) for k in range(len(check.losses))],
        losses=check.losses,
        solved=check.solved,
        steps=setup.check_every * len(history.epoch),
        seconds=time.perf_counter() - started,
    )


class _Stream(keras.utils.PyDataset):
    """`check_every` fresh batches per epoch."""

    def __init__(self, draw: Draw, setup: Setup, seed: int) -> None:
        super().__init__(workers=1, max_queue_size=4)
        self.draw, self.setup, self.seed = draw, setup, seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.setup.check_every

    def __getitem__(self, index: int) -> Any:
        rng = np.random.default_rng([self.seed, 0, self.epoch, index])
        return tuple(self.draw(rng, self.setup.batch_size))

    def on_epoch_end(self) -> None:
        """Draw other batches in the next epoch."""
        self.epoch += 1


class _Check(keras.callbacks.Callback):
    """After every epoch: the loss on held-out sequences, and whether the task is solved."""

    def __init__(self, held_out: Batch, test: Solved | None) -> None:
        super().__init__()
        self.held_out, self.test = held_out, test
        self.losses: list[float] = []
        self.solved = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look, and stop at success."""
        x, y = self.held_out
        prediction = self.model.predict_on_batch(x)
        loss = self.model.compute_loss(x, y, prediction, training=False)
        self.losses.append(float(loss))
        if self.test is not None and self.test(prediction, y):
            self.solved = self.model.stop_training = True
