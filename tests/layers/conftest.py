"""What the tests of the LSTM share: tolerances, random layers, and one way to measure a layer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.layers import LSTM, fused


class Tolerance(NamedTuple):
    """Largest deviation allowed, in units of the largest entry (at least 1) of what is expected."""

    output: float = 1e-5
    gradient: float = 1e-4
    float64: float = 1e-10
    finite_difference: float = 1e-6
    half_precision: float = 1e-2


class Measured(NamedTuple):
    """Outputs of a layer and gradients of a random weighted sum of them, as arrays."""

    outputs: list[np.ndarray]
    gradients: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def tolerance() -> Tolerance:
    return Tolerance()


@pytest.fixture(scope="session")
def assert_close() -> Callable[..., None]:
    """Return a comparison of arrays, or of lists or dictionaries of them."""

    def compare(actual: Any, expected: Any, within: float, what: str = "") -> None:
        if isinstance(expected, dict):
            assert actual.keys() == expected.keys(), what
            for key in expected:
                compare(actual[key], expected[key], within, f"{what} {key}")
        elif isinstance(expected, list | tuple):
            assert len(actual) == len(expected), what
            for k, (one, other) in enumerate(zip(actual, expected, strict=True)):
                compare(one, other, within, f"{what} {k}")
        else:
            actual, expected = np.asarray(actual, float), np.asarray(expected, float)
            largest = max(np.abs(expected).max(initial=0.0), 1.0)
            np.testing.assert_allclose(
                actual, expected, rtol=0, atol=within * largest, err_msg=what
            )

    return compare


@pytest.fixture(scope="session")
def randomise() -> Callable[..., None]:
    """Return a function that draws all weights of a layer anew: no two gates are alike."""

    def draw(layer: Any, seed: int = 0, scale: float = 0.4) -> None:
        rng = np.random.default_rng(seed)
        layer.set_weights([rng.normal(0, scale, w.shape) for w in layer.get_weights()])

    return draw


@pytest.fixture(scope="session")
def make_pair(randomise: Any) -> Callable[..., tuple[LSTM, keras.layers.LSTM]]:
    """Return a factory of our layer and Keras's with the same arguments and random weights."""

    def make(
        shape: tuple[int | None, ...] = (4, 6, 4), units: int = 5, **options: Any
    ) -> tuple[LSTM, keras.layers.LSTM]:
        pair = LSTM(units, **options), keras.layers.LSTM(units, **options)
        for layer in pair:
            layer.build(shape)
            randomise(layer)
        return pair

    return make


@pytest.fixture(scope="session")
def measure() -> Callable[..., Measured]:
    """Return a function that runs a layer and differentiates a random weighted sum of its outputs.

    `used` picks the outputs that enter the sum, all of them by default.
    """

    def run(
        layer: Any,
        x: np.ndarray,
        state: list[np.ndarray] | None = None,
        graph: bool = False,
        used: slice = slice(None),
        **call: Any,
    ) -> Measured:
        weights = layer.trainable_weights
        inputs = [tf.constant(value) for value in (x, *(state or ()))]
        names = ["inputs", *["h0", "c0"][: len(inputs) - 1], *(w.name for w in weights)]

        def weighted_sum(out: Any, k: int) -> Any:
            return tf.reduce_sum(
                out * tf.random.stateless_normal(tf.shape(out), [7, k], dtype=out.dtype)
            )

        def compute(*inputs: Any) -> tuple[list[Any], list[Any]]:
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                made = layer(inputs[0], initial_state=list(inputs[1:]) or None, **call)
                made = list(made) if isinstance(made, list | tuple) else [made]
                loss = tf.add_n([weighted_sum(out, k) for k, out in enumerate(made)][used])
            return made, tape.gradient(loss, [*inputs, *(w.value for w in weights)])

        made, gradients = (tf.function(compute) if graph else compute)(*inputs)
        arrays = [None if g is None else tf.convert_to_tensor(g).numpy() for g in gradients]
        return Measured(
            [out.numpy() for out in made],
            {n: g for n, g in zip(names, arrays, strict=True) if g is not None},
        )

    return run


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let batches of 16 rows or more be cut in two, wherever the tests run."""
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1}, raising=False)


@pytest.fixture
def fused_runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that gains an entry whenever the fused loop is entered, not Keras's."""
    runs: list[Any] = []
    original = fused.lstm

    def recorded(plan: Any, *args: Any, **kwargs: Any) -> Any:
        runs.append(plan)
        return original(plan, *args, **kwargs)

    monkeypatch.setattr(fused, "lstm", recorded)
    return runs


#: Rows, steps, features and units of the model that monitors look at.
ROWS, STEPS, FEATURES, UNITS = 16, 6, 4, 5


@pytest.fixture(scope="session")
def make_weights() -> Callable[..., list[np.ndarray]]:
    """Return a function that draws weights for a model."""

    def make(model: keras.Model) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        return [rng.normal(0, 0.5, w.shape) for w in model.get_weights()]

    return make


@pytest.fixture(scope="session")
def make_model(make_weights) -> Callable[..., tuple[keras.Model, Any]]:
    """Return a function that makes a model with a loss on every output h and the last c."""

    def make(lstm: Any = LSTM, **options: Any) -> tuple[keras.Model, Any]:
        inputs = keras.Input((STEPS, FEATURES)), keras.Input((STEPS,), dtype="bool")
        layer = lstm(UNITS, return_sequences=True, return_state=True, name="memory", **options)
        h, _, c_last = layer(inputs[0], mask=inputs[1])
        h = keras.ops.reshape(h, (-1, STEPS * UNITS))  # drops the mask: the loss is on all steps
        shown = keras.layers.Dense(2, name="head")(keras.layers.Concatenate()([h, c_last]))
        model = keras.Model(inputs, shown)
        model.set_weights(make_weights(model))
        model.compile(keras.optimizers.SGD(1.0), "mse")
        return model, layer

    return make


@pytest.fixture(scope="session")
def batch() -> Callable[..., tuple[list[np.ndarray], np.ndarray]]:
    """Return a function that draws inputs (N, T, F) with their mask (N, T), and targets (N, 2)."""

    def draw(masked: bool = True, rows: int = ROWS) -> tuple[list[np.ndarray], np.ndarray]:
        rng = np.random.default_rng(1)
        x = rng.normal(0, 2, size=(rows, STEPS, FEATURES)).astype("float32")
        live = rng.random((rows, STEPS)) < 0.7 if masked else np.ones((rows, STEPS), bool)
        return [x, live], rng.normal(size=(rows, 2)).astype("float32")

    return draw
