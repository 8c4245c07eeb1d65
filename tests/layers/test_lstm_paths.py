"""Which road a call takes: the fused loop, Keras's plain loop, or Keras's way to cuDNN."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.layers import LSTM, Monitor

ROWS, STEPS, FEATURES, UNITS = 4, 6, 4, 5
X = np.random.default_rng(0).normal(size=(ROWS, STEPS, FEATURES)).astype("float32")


@pytest.fixture
def keras_runs(monkeypatch):
    """A list that gains an entry whenever Keras's own loop is entered."""
    runs = []
    original = keras.layers.LSTM.inner_loop

    def recorded(self, *args, **kwargs):
        runs.append(self.name)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(keras.layers.LSTM, "inner_loop", recorded)
    return runs


@pytest.fixture
def cudnn_runs(monkeypatch):
    """Pretend a GPU; a list that gains an entry when Keras dispatches to cuDNN (in vain, here)."""
    runs = []

    def absent(*args):
        runs.append(args)
        raise tf.errors.NotFoundError(None, None, "no GPU under the pretence")

    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: ["GPU:0"])
    backend = importlib.import_module("keras.src.backend.tensorflow.rnn")
    monkeypatch.setattr(backend, "_cudnn_lstm", absent)
    return runs


FUSED = [{}, {"unroll": True}, {"use_bias": False}, {"implementation": 1}, {"dropout": 0.3}]


@pytest.mark.parametrize("options", FUSED, ids=str)
def test_the_fused_loop_is_the_usual_road(options, fused_runs, keras_runs):
    LSTM(UNITS, **options)(X, training=True)
    assert (len(fused_runs), len(keras_runs)) == (1, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"activation": None, "recurrent_activation": "tanh"},
        {"recurrent_dropout": 0.3},
        # without use_cudnn=False, this is what Keras itself stumbles over
        {"dropout": 0.3, "implementation": 1, "use_cudnn": False},
        {"dtype": "mixed_float16"},
        {"dtype": "mixed_bfloat16"},
        {"dtype": "bfloat16", "recurrent_initializer": "glorot_uniform"},
    ],
    ids=str,
)
def test_options_beyond_the_fused_loop_take_that_of_keras_and_give_what_it_gives(
    options, make_pair, measure, assert_close, tolerance, fused_runs, keras_runs
):
    shape = {"return_sequences": True, "return_state": True, "go_backwards": True, "seed": 1}
    pair = make_pair(X.shape, **shape, **options)
    got, expected = (measure(layer, X, training=True) for layer in pair)
    assert keras_runs == [layer.name for layer in pair]
    assert not fused_runs
    assert [out.dtype for out in got.outputs] == [out.dtype for out in expected.outputs]
    half = tolerance.half_precision if "dtype" in options else None
    assert_close(got.outputs, expected.outputs, half or tolerance.output)
    assert_close(got.gradients, expected.gradients, half or tolerance.gradient)


def test_a_length_unknown_to_the_graph_takes_the_loop_of_keras_unless_watched(
    fused_runs, keras_runs
):
    layer = LSTM(UNITS)
    run = tf.function(
        lambda x: layer(x, training=True),
        input_signature=[tf.TensorSpec((None, None, FEATURES))],
    )
    expected = layer(X)
    np.testing.assert_allclose(run(X), expected, atol=1e-6)
    assert (len(fused_runs), len(keras_runs)) == (1, 1)
    layer.attach(Monitor())
    watched = tf.function(run.python_function, input_signature=run.input_signature)
    np.testing.assert_allclose(watched(X), expected, atol=1e-6)
    assert (len(fused_runs), len(keras_runs)) == (2, 1)


@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"use_bias": False}], ids=str)
def test_outside_a_graph_nothing_is_compiled_and_a_graph_gives_the_same(options, monkeypatch):
    layer = LSTM(UNITS, return_sequences=True, return_state=True, **options)
    rng = np.random.default_rng(1)
    start = [rng.normal(size=(ROWS, UNITS)).astype("float32") for _ in range(2)]
    layer.build(X.shape)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])

    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs, *states, gates = layer(x, initial_state=start, return_gates=True)
            loss = tf.reduce_sum(outputs**2)
        return [outputs, *states, *gates.values(), *tape.gradient(loss, [x, *layer.weights])]

    expected = tf.function(run)(tf.constant(X))
    found = run(tf.constant(X))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-4)
    monkeypatch.setattr("forecast.layers.fused._program", None)
    np.testing.assert_allclose(layer(X, initial_state=start)[0], expected[0], atol=1e-5)


def test_with_a_gpu_the_choice_is_left_to_keras_which_goes_to_cudnn(
    make_pair, cudnn_runs, fused_runs, assert_close, tolerance
):
    ours, theirs = make_pair(X.shape, return_sequences=True)
    for training in (True, False):
        assert_close(ours(X, training=training), theirs(X), tolerance.output)
    assert len(cudnn_runs) == 4
    assert not fused_runs
    assert ours.supports_jit is theirs.supports_jit is False


def test_with_a_gpu_what_cudnn_cannot_do_takes_the_loop_of_keras(
    cudnn_runs, fused_runs, keras_runs
):
    LSTM(UNITS, activation="relu")(X)
    LSTM(UNITS, unroll=True)(X)
    LSTM(UNITS, use_cudnn=False)(X)
    assert (len(cudnn_runs), len(fused_runs), len(keras_runs)) == (0, 0, 3)


def test_with_a_gpu_a_monitor_takes_training_to_the_fused_loop_and_nothing_else(
    cudnn_runs, fused_runs
):
    layer = LSTM(UNITS)
    expected = LSTM(UNITS, use_cudnn=False)
    expected.build(X.shape)
    layer.build(X.shape)
    layer.set_weights(expected.get_weights())
    layer.attach(monitor := Monitor())
    np.testing.assert_allclose(layer(X, training=True), expected(X), atol=1e-6)
    assert (len(fused_runs), len(cudnn_runs)) == (1, 0)
    assert monitor.read().gate_mean.shape == (STEPS, 4)
    layer(X, training=False)
    assert (len(fused_runs), len(cudnn_runs)) == (1, 1)
    layer.detach()
    layer(X, training=True)
    assert (len(fused_runs), len(cudnn_runs)) == (1, 2)


def test_with_a_gpu_the_gates_come_from_the_plain_loop_as_cudnn_has_none(
    cudnn_runs, fused_runs, keras_runs, assert_close, tolerance
):
    layer = LSTM(UNITS)
    last, gates = layer(X, return_gates=True)
    assert (len(cudnn_runs), len(fused_runs), len(keras_runs)) == (0, 0, 0)
    assert_close(last, layer(X), tolerance.output)
    assert_close(gates["h"][:, -1], last, tolerance.output)
