"""The readable cell, its ablations and its initial biases, against a few lines of NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from forecast.layers import ABLATIONS, LSTM, ChronoBias, ConstantGateBias, LSTMCell

ROWS, STEPS, FEATURES, UNITS = 4, 6, 4, 5
X = np.random.default_rng(0).normal(size=(ROWS, STEPS, FEATURES))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def whole(z_i, z_f, z_c, z_o, c, _):
    c = sigmoid(z_f) * c + sigmoid(z_i) * np.tanh(z_c)
    return sigmoid(z_o) * np.tanh(c), c


def no_input_gate(z_i, z_f, z_c, z_o, c, _):
    c = sigmoid(z_f) * c + np.tanh(z_c)
    return sigmoid(z_o) * np.tanh(c), c


def no_forget_gate(z_i, z_f, z_c, z_o, c, _):
    c = c + sigmoid(z_i) * np.tanh(z_c)
    return sigmoid(z_o) * np.tanh(c), c


def no_output_gate(z_i, z_f, z_c, z_o, c, _):
    c = sigmoid(z_f) * c + sigmoid(z_i) * np.tanh(z_c)
    return np.tanh(c), c


def no_modulation_gate(z_i, z_f, z_c, z_o, c, _):
    c = sigmoid(z_f) * c + sigmoid(z_i) * z_c
    return sigmoid(z_o) * np.tanh(c), c


def no_output_activation(z_i, z_f, z_c, z_o, c, _):
    c = sigmoid(z_f) * c + sigmoid(z_i) * np.tanh(z_c)
    return sigmoid(z_o) * c, c


def coupled(z_i, z_f, z_c, z_o, c, _):
    i = sigmoid(z_i)
    c = (1 - i) * c + i * np.tanh(z_c)
    return sigmoid(z_o) * np.tanh(c), c


def peepholes(z_i, z_f, z_c, z_o, c, peep):
    i, f = sigmoid(z_i + peep[0] * c), sigmoid(z_f + peep[1] * c)
    c = f * c + i * np.tanh(z_c)
    return sigmoid(z_o + peep[2] * c) * np.tanh(c), c


VARIANTS = {None: whole} | {
    step.__name__: step
    for step in (
        no_input_gate,
        no_forget_gate,
        no_output_gate,
        no_modulation_gate,
        no_output_activation,
        coupled,
        peepholes,
    )
}


def make_layer(ablation, randomise, **options):
    layer = keras.layers.RNN(
        LSTMCell(UNITS, ablation=ablation, **options),
        return_sequences=True,
        return_state=True,
        dtype="float64",
    )
    layer.cell.dtype_policy = keras.dtype_policies.DTypePolicy("float64")
    layer.build(X.shape)
    randomise(layer)
    return layer


def test_every_ablation_has_its_equations_here():
    assert set(ABLATIONS) | {None} == set(VARIANTS)


@pytest.mark.parametrize("ablation", VARIANTS)
def test_the_cell_and_each_ablation_are_the_equations_of_their_papers(
    ablation, randomise, assert_close, tolerance
):
    layer = make_layer(ablation, randomise)
    kernel, recurrent, bias, *peep = layer.get_weights()
    h = c = np.zeros((ROWS, UNITS))
    expected = []
    for t in range(STEPS):
        z = np.split(X[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        h, c = VARIANTS[ablation](*z, c, *(peep or [None]))
        expected.append(h)
    outputs = layer(X)
    assert_close(outputs, [np.stack(expected, 1), h, c], tolerance.float64)
    assert len(peep) == (ablation == "peepholes")


@pytest.mark.parametrize("ablation", VARIANTS)
def test_the_gates_handed_out_make_the_state(ablation, randomise, assert_close, tolerance):
    cell = make_layer(ablation, randomise).cell
    h_tm1, c_tm1 = np.random.default_rng(1).normal(size=(2, ROWS, UNITS))
    h, c, gates = cell.step(X[:, 0], [h_tm1, c_tm1])
    i, f, g, o = (np.asarray(gates[name]) for name in "ifgo")
    assert_close(c, f * c_tm1 + i * g, tolerance.float64)
    squash = (lambda c: c) if ablation == "no_output_activation" else np.tanh
    assert_close(h, o * squash(np.asarray(c)), tolerance.float64)
    shut_out = {"no_input_gate": i, "no_forget_gate": f, "no_output_gate": o}
    assert (shut_out.get(ablation, np.ones(1)) == 1).all()
    assert ablation != "coupled" or np.allclose(i + f, 1)


@pytest.mark.parametrize(
    ("ablation", "unused"),
    [("no_input_gate", 0), ("no_forget_gate", 1), ("coupled", 1), ("no_output_gate", 3)],
)
def test_the_weights_of_a_gate_that_is_left_out_get_no_gradient(ablation, unused, randomise):
    layer = make_layer(ablation, randomise)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(X)[0] ** 2)
    for gradient in tape.gradient(loss, [w.value for w in layer.trainable_weights]):
        of_gates = np.split(np.asarray(gradient), 4, axis=-1)
        assert [np.any(gate) for gate in of_gates] == [k != unused for k in range(4)]


@pytest.mark.parametrize("implementation", [1, 2])
def test_the_cell_is_that_of_keras_also_with_dropout(
    implementation, randomise, assert_close, tolerance
):
    options = {"dropout": 0.4, "recurrent_dropout": 0.3, "seed": 3}
    options = options if implementation == 1 else {"dropout": 0.4, "seed": 3}
    made = []
    for cell in (LSTMCell, keras.layers.LSTMCell):
        layer = keras.layers.RNN(cell(UNITS, implementation=implementation, **options))
        layer.build(X.shape)
        randomise(layer.cell)
        made.append([layer(X.astype("float32"), training=training) for training in (True, False)])
    assert_close(*made, tolerance.output)
    assert np.abs(made[0][0] - made[0][1]).max() > 0.01


def test_the_layer_is_the_cell_step_by_step(randomise, assert_close, tolerance):
    x = X.astype("float32")
    layer, steps = LSTM(UNITS), keras.layers.RNN(LSTMCell(UNITS))
    layer.build(x.shape)
    steps.build(x.shape)
    randomise(layer)
    steps.set_weights(layer.get_weights())
    assert_close(steps(x), layer(x), tolerance.output)


@pytest.mark.parametrize("ablation", VARIANTS)
def test_an_ablated_cell_is_saved_and_loaded_with_its_ablation(ablation, tmp_path, randomise):
    inputs = keras.Input((STEPS, FEATURES))
    bias = {"bias_initializer": ChronoBias(60, seed=1), "unit_forget_bias": False}
    layer = keras.layers.RNN(LSTMCell(UNITS, ablation=ablation, **bias))
    model = keras.Model(inputs, layer(inputs))
    randomise(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.layers[1].cell.ablation == ablation
    assert loaded.layers[1].cell.bias_initializer.horizon == 60
    np.testing.assert_array_equal(loaded(X), model(X))


@pytest.mark.parametrize("make", [LSTM, LSTMCell])
def test_a_constant_gate_bias_starts_the_forget_gates_alone(make):
    options = {"bias_initializer": ConstantGateBias(2.5), "unit_forget_bias": False}
    layer = make(UNITS, **options)
    layer.build(X.shape if make is LSTM else (ROWS, FEATURES))
    np.testing.assert_array_equal(layer.get_weights()[2].reshape(4, UNITS)[[0, 2, 3]], 0)
    np.testing.assert_array_equal(layer.get_weights()[2].reshape(4, UNITS)[1], 2.5)
    assert ConstantGateBias().forget_bias == 1  # the default of Keras


def test_input_gates_can_start_shut_and_are_saved_so():
    start = ConstantGateBias(0.5, input_bias=-3)
    again = ConstantGateBias.from_config(start.get_config())
    expected = np.repeat([-3, 0.5, 0, 0], UNITS)
    for made in (start, again):
        np.testing.assert_array_equal(made((4 * UNITS,)), expected)


def test_chrono_biases_are_the_logarithms_of_uniform_time_scales():
    units, horizon = 4000, 60
    input_bias, forget, *rest = np.asarray(ChronoBias(horizon, seed=1)((4 * units,))).reshape(4, -1)
    np.testing.assert_array_equal(input_bias, -forget)
    assert not np.any(rest)
    scale = np.exp(forget)
    assert stats.kstest(scale, stats.uniform(1, horizon - 2).cdf).pvalue > 0.01
    # a gate that starts there forgets 1/(1 + scale) of its cell per step: 2 to T steps of memory
    np.testing.assert_allclose(1 / (1 - sigmoid(forget.astype(float))), 1 + scale, rtol=1e-4)


def test_a_seed_repeats_the_chrono_biases_and_none_draws_anew():
    shape = (4 * UNITS,)
    np.testing.assert_array_equal(ChronoBias(60, seed=1)(shape), ChronoBias(60, seed=1)(shape))
    assert not np.array_equal(ChronoBias(60, seed=1)(shape), ChronoBias(60, seed=2)(shape))
    anew = ChronoBias(60)
    assert not np.array_equal(anew(shape), anew(shape))
    assert ChronoBias.from_config(anew.get_config()).get_config() == anew.get_config()
