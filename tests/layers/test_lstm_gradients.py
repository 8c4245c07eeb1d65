"""The backward pass against what does not know of it: differences and exact decay."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.layers import LSTM, Monitor, fused
from forecast.telemetry.probe import StateProbe

STEPS, FEATURES, UNITS = 6, 4, 5
SIGMOID_08 = 1 / (1 + np.exp(-0.8))


@pytest.mark.parametrize(
    ("rows", "masked", "backwards"),
    [(4, False, False), (16, True, True)],  # 16 are cut in two; all in between: beside Keras's
)
def test_gradients_are_those_of_finite_differences(
    rows, masked, backwards, randomise, tolerance, two_cores
):
    options = {"go_backwards": backwards, "dtype": "float64"}
    layer = LSTM(UNITS, return_sequences=True, return_state=True, **options)
    rng = np.random.default_rng(2)
    x = rng.normal(size=(rows, STEPS, FEATURES))
    layer.build(x.shape)
    randomise(layer, scale=0.7)
    mask = rng.random((rows, STEPS)) < 0.7 if masked else None
    names = ["inputs", "h0", "c0", "kernel", "recurrent_kernel", "bias"]
    values = [x, *rng.normal(size=(2, rows, UNITS)), *layer.get_weights()]
    factors = [rng.normal(size=(rows, STEPS, UNITS)), *rng.normal(size=(2, rows, UNITS))]

    def loss(values):
        for weight, value in zip(layer.weights, values[3:], strict=True):
            weight.assign(value)
        made = layer(values[0], initial_state=list(values[1:3]), mask=mask)
        return tf.add_n([tf.reduce_sum(f * out) for f, out in zip(factors, made, strict=True)])

    inputs = [tf.constant(value) for value in values[:3]]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = loss([*inputs, *values[3:]])
    gradients = tape.gradient(total, [*inputs, *(w.value for w in layer.weights)])
    for k, (name, gradient) in enumerate(zip(names, gradients, strict=True)):
        for _ in range(4):  # in directions that have a part along every entry
            direction, ends = rng.normal(size=values[k].shape), (list(values), list(values))
            ends[0][k] = values[k] + 1e-5 * direction
            ends[1][k] = values[k] - 1e-5 * direction
            difference = (loss(ends[0]) - loss(ends[1])) / 2e-5
            got = np.sum(gradient * direction)
            assert abs(difference) > 1e-3, name
            within = tolerance.finite_difference * max(abs(difference), 1)
            assert abs(got - difference) <= within, name


def test_what_is_written_once_into_a_cell_decays_by_the_forget_gate_alone():
    layer = LSTM(UNITS)
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), layer, keras.layers.Dense(1)])
    kernel, recurrent, bias, *head = model.get_weights()
    kernel[:, UNITS : 2 * UNITS] = 0  # the forget gate does not see the input
    bias[UNITS : 2 * UNITS] = 0.8
    model.set_weights([kernel, np.zeros_like(recurrent), bias, *head])
    model.compile("sgd", "mse")
    layer.attach(monitor := Monitor())
    x = np.zeros((4, STEPS, FEATURES), "float32")
    x[:, 0] = 1  # one write
    model.train_on_batch(x, np.ones((4, 1)))
    reading = monitor.read()
    assert reading.c_gradient[-1] > 1e-3
    back = reading.c_gradient[::-1]
    np.testing.assert_allclose(back, back[0] * SIGMOID_08 ** np.arange(STEPS), rtol=1e-5)
    np.testing.assert_allclose(reading.carousel_gradient[:-1], reading.c_gradient[:-1], rtol=1e-6)
    assert not reading.gated_gradient[:-1].any()
    assert not reading.h_gradient[:-1].any()


@pytest.mark.parametrize("lstm", [LSTM, keras.layers.LSTM])
def test_what_one_unit_writes_into_another_cell_decays_by_its_forget_gate(lstm):
    """h of unit 0 is the input of cell 1, which feeds nothing: ∂L/∂h falls as ∂L/∂c of cell 1."""
    write, layer = 0.7, lstm(2)
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), layer, keras.layers.Dense(1)])
    kernel, recurrent, bias, head, shift = (0 * w for w in model.get_weights())
    recurrent[0, 2 * 2 + 1] = write  # from h of unit 0 to the candidate of unit 1
    bias[2:4] = 0.8
    head[1] = 1.5
    model.set_weights([kernel, recurrent, bias, head, shift])
    model.compile("sgd", "mse")
    x, y = np.ones((4, STEPS, FEATURES), "float32"), np.ones((4, 1), "float32")
    norms = StateProbe(model, layer).norms(x, y)
    np.testing.assert_allclose(norms[:-2] / norms[1:-1], SIGMOID_08, rtol=1e-6)
    # the last but one: through i = o = σ(0) = 1/2, with tanh' = 1 at 0
    np.testing.assert_allclose(norms[-2] / norms[-1], write / 4, rtol=1e-6)
    if lstm is LSTM:
        layer.attach(monitor := Monitor())
        model.train_on_batch(x, y)
        np.testing.assert_allclose(monitor.read().h_gradient, norms, rtol=1e-6)


@pytest.mark.parametrize("count", [1, 2])
def test_a_gradient_whose_batch_is_unknown_while_tracing_is_cut_as_the_batch_was(count):
    @tf.function(input_signature=[tf.TensorSpec((None, UNITS))])
    def cut(upstream):
        pieces = fused._cut({"h": upstream}, count)
        assert len(pieces) == count
        return tf.concat([piece["h"] for piece in pieces], 0)

    whole = np.arange(5 * UNITS, dtype="float32").reshape(5, UNITS)
    np.testing.assert_array_equal(cut(whole), whole)


def test_a_second_derivative_is_refused_with_advice_and_found_on_the_plain_loop():
    x = tf.constant(np.random.default_rng(3).normal(size=(4, STEPS, FEATURES)), "float32")

    def second(layer):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                total = tf.reduce_sum(layer(x) ** 2)
            slope = tf.reduce_sum(inner.gradient(total, x) ** 2)
        return outer.gradient(slope, x)

    with pytest.raises(NotImplementedError, match=r"second derivative .* use_cudnn=False"):
        second(LSTM(UNITS))
    assert second(LSTM(UNITS, use_cudnn=False)).shape == x.shape
