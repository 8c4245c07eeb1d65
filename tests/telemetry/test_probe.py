import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.layers import LSTM
from forecast.telemetry import GradientTelemetry
from forecast.telemetry.probe import StateProbe

B, T, F, U = 3, 6, 2, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, F)).astype(np.float32)
WEIGHT = RNG.random((B, T)).astype(np.float32)


def small_model(layer, sequences=True):
    """One recurrent layer and a dense one; targets for it."""
    x = keras.Input((T, F))
    model = keras.Model(x, keras.layers.Dense(1, name="out")(layer(x)))
    model.compile("sgd", "mse")
    for variable in model.trainable_variables:
        variable.assign(RNG.normal(0, 0.6, variable.shape))
    return model, RNG.normal(size=(B, T, 1) if sequences else (B, 1)).astype(np.float32)


def simple_rnn(layer, x, h, _):
    w, v, b = layer.trainable_variables
    return tf.tanh(x @ w + h @ v + b), None


def gru(layer, x, h, _):
    """Keras's GRU, reset_after=True."""
    w, v, b = layer.trainable_variables
    x_z, x_r, x_h = tf.split(x @ w + b[0], 3, axis=1)
    h_z, h_r, h_h = tf.split(h @ v + b[1], 3, axis=1)
    z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
    return z * h + (1 - z) * tf.tanh(x_h + r * h_h), None


def lstm(layer, x, h, c):
    w, v, b = layer.trainable_variables
    i, f, g, o = tf.split(x @ w + h @ v + b, 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


CELLS = {
    "simple-rnn": (keras.layers.SimpleRNN, simple_rnn),
    "gru": (keras.layers.GRU, gru),
    "keras-lstm": (keras.layers.LSTM, lstm),
    "lstm": (LSTM, lstm),
}


def unrolled_norms(model, layer, step, y, weight):
    """‖∂L/∂h_t‖ by automatic differentiation of the equations written out."""
    kernel, bias = model.get_layer("out").trainable_variables
    h = c = tf.zeros((B, U))
    states = []
    with tf.GradientTape() as tape:
        tape.watch(h)
        for t in range(T):
            h, c = step(layer, tf.constant(X[:, t]), h, c)
            states.append(h)
        shown = tf.stack(states, axis=1) if layer.return_sequences else h
        error = tf.reduce_mean(tf.square(shown @ kernel + bias - y), axis=-1)
        loss = tf.reduce_mean(error if weight is None else error * weight)
    return [np.linalg.norm(g) for g in tape.gradient(loss, states)]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("sequences", [True, False], ids=["loss-everywhere", "loss-at-the-end"])
def test_the_adjoint_of_every_state_equals_that_of_the_unrolled_equations(cell, sequences):
    make, step = CELLS[cell]
    layer = make(U, return_sequences=sequences)
    model, y = small_model(layer, sequences)
    weight = WEIGHT if sequences else None
    found = StateProbe(model, layer).norms(X, y, weight)
    assert found.shape == (T,)
    np.testing.assert_allclose(found, unrolled_norms(model, layer, step, y, weight), rtol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_a_probe_never_changes_the_model(cell, tmp_path):
    layer = CELLS[cell][0](U, return_sequences=True, dropout=0.3)
    model, y = small_model(layer)
    weights, prediction, config = model.get_weights(), model.predict_on_batch(X), model.to_json()
    attributes = set(vars(layer))
    StateProbe(model, layer).norms(X, y)
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.predict_on_batch(X), prediction)
    assert model.to_json() == config
    assert set(vars(layer)) == attributes
    model.train_on_batch(X, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict_on_batch(X), model.predict_on_batch(X))


def test_a_probe_follows_the_weights_as_they_are_trained():
    layer = keras.layers.SimpleRNN(U, return_sequences=True)
    model, y = small_model(layer)
    probe = StateProbe(model, layer)
    probe.norms(X, y)
    model.fit(X, y, epochs=3, verbose=0)
    after = probe.norms(X, y)
    np.testing.assert_allclose(after, unrolled_norms(model, layer, simple_rnn, y, None), rtol=1e-4)


def test_dropout_does_not_blur_the_measurement():
    layer = keras.layers.SimpleRNN(U, return_sequences=True, dropout=0.5, recurrent_dropout=0.5)
    model, y = small_model(layer)
    norms = StateProbe(model, layer).norms(X, y)
    np.testing.assert_allclose(norms, unrolled_norms(model, layer, simple_rnn, y, None), rtol=1e-4)


def test_a_loss_at_one_step_reaches_no_later_state():
    layer = LSTM(U, return_sequences=True)
    model, y = small_model(layer)
    only = np.zeros((B, T), np.float32)
    only[:, 3] = 1
    norms = StateProbe(model, layer).norms(X, y, only)
    assert (norms[:4] > 0).all()
    np.testing.assert_array_equal(norms[4:], 0)


def test_when_a_measurement_fails_the_layer_still_works():
    layer = keras.layers.GRU(U, return_sequences=True)
    model, y = small_model(layer)
    before = model.predict_on_batch(X)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        StateProbe(model, layer).norms(X[:, :, :1], y)
    assert "call" not in vars(layer)
    np.testing.assert_array_equal(model.predict_on_batch(X), before)


def two_inputs(form):
    """A model of two inputs and two outputs, one at every step; x and y for it."""
    a, b = keras.Input((T, F), name="a"), keras.Input((1,), name="b")
    h = keras.layers.SimpleRNN(U, return_sequences=True, name="memory")(a)
    end = keras.layers.Concatenate()([keras.layers.Lambda(lambda h: h[:, -1])(h), b])
    outputs = [keras.layers.Dense(1, name="each")(h), keras.layers.Dense(1, name="end")(end)]
    x = {"a": X, "b": RNG.normal(size=(B, 1)).astype(np.float32)}
    model = keras.Model([a, b] if form is list else {"b": b, "a": a}, outputs)
    model.compile("sgd", ["mse", "mse"])
    return model, list(x.values()) if form is list else x, [X[:, :, :1], X[:, 0, :1]]


@pytest.mark.parametrize("form", [list, dict])
def test_a_model_of_several_inputs_and_outputs_is_probed_at_the_last_step_of_each(form):
    model, x, y = two_inputs(form)
    layer = model.get_layer("memory")
    w, v, shift = layer.trainable_variables
    h, states = tf.zeros((B, U)), []
    with tf.GradientTape() as tape:
        tape.watch(h)
        for t in range(T):
            h = tf.tanh(X[:, t] @ w + h @ v + shift)
            states.append(h)
        each, end = (model.get_layer(name) for name in ("each", "end"))
        b = x[1] if form is list else x["b"]
        loss = tf.reduce_mean((end(tf.concat([h, b], 1)) - y[1]) ** 2)
        loss += tf.reduce_mean((each(h) - y[0][:, -1]) ** 2) / T  # a mean over T, 0 but for one
    expected = [np.linalg.norm(g) for g in tape.gradient(loss, states)]
    found = StateProbe(model, layer, last=True).norms(x, y)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_layer_that_is_called_twice_is_told_and_its_gates_are_left_out(cell):
    layer = CELLS[cell][0](U, name="shared")
    inputs = [keras.Input((T, F)), keras.Input((T, F))]
    both = keras.layers.Concatenate()([layer(one) for one in inputs])
    model = keras.Model(inputs, keras.layers.Dense(1)(both))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"calls layer shared 2 times.*a layer of its own"):
        StateProbe(model, layer).norms([X, X], X[:, 0, :1])
    telemetry = GradientTelemetry(say=None)
    model.fit([X, X], X[:, 0, :1], verbose=0, callbacks=[telemetry])
    assert set(telemetry.left_out) == {"gradient by lag of shared", "gates of shared"}
    assert not telemetry.frame["quantity"].isin(["gate_mean", "state_gradient_norm"]).any()
