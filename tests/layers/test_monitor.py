"""What a monitor shows, against plain equations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.layers import LSTM, LSTMCell, Monitor
from forecast.telemetry.probe import StateProbe

ROWS, STEPS, FEATURES, UNITS = 16, 6, 4, 5
GATES = 4


class Oracle:
    """The same loss by `LSTMCell`, step by step in float64, with zeros added to z, c and h.

    The gradients of these zeros are those of z, c and h through all that comes later; one more
    zero, added to c behind the gates, has the part that comes along the cell: the carousel.
    """

    def __init__(self, weights, x, live, y):
        kernel, recurrent, bias, head, shift = (w.astype("float64") for w in weights)
        widths = {"z": GATES * UNITS, "c": UNITS, "h": UNITS, "carousel": UNITS}
        zeros = {k: tf.zeros((STEPS, len(x), width), tf.float64) for k, width in widths.items()}
        cell = LSTMCell(UNITS, dtype="float64")
        cell.build((None, FEATURES + GATES * UNITS))
        cell.set_weights([np.concatenate([kernel, np.eye(GATES * UNITS)]), recurrent, bias])
        h = c = tf.zeros((len(x), UNITS), tf.float64)
        self.gates, self.h, self.c = [], [], []
        with tf.GradientTape() as tape:
            tape.watch(zeros)
            for t in range(STEPS):
                driven = tf.concat([x[:, t].astype("float64"), zeros["z"][t]], 1)
                _, c_new, gates = cell.step(driven, [h, c])
                on = live[:, t, None]
                c = tf.where(on, c_new, c) + zeros["c"][t]
                h = tf.where(on, gates["o"] * tf.tanh(c), h) + zeros["h"][t]
                c += zeros["carousel"][t]
                self.gates.append(tf.concat([gates[k] for k in "ifgo"], 1))
                self.h.append(h)
                self.c.append(c)
            # Keras shows 0 before the first live step; h is 0 there, but its gradient is not
            begun = np.cumsum(live, 1) > 0
            shown = tf.stack(self.h, 1) * begun[:, :, None]
            joined = tf.concat([tf.reshape(shown, (len(x), -1)), c], 1)
            loss = tf.reduce_mean((joined @ head + shift - y) ** 2)
        self.gradients = {k: np.swapaxes(g, 0, 1) for k, g in tape.gradient(loss, zeros).items()}
        self.gradients["gated"] = self.gradients["c"] - self.gradients["carousel"]
        self.gates, self.h, self.c = (np.stack(v, 1) for v in (self.gates, self.h, self.c))


def norms_by_step(gradient):
    """Norms (T,) over batch and units of a gradient (N, T, U), (T, 4) of one (N, T, 4U)."""
    parts = gradient.reshape(len(gradient), STEPS, -1, UNITS)
    return np.linalg.norm(parts, axis=(0, 3)).squeeze()


@pytest.fixture(scope="module", params=[False, True], ids=["all steps", "masked"])
def watched(request, make_model, batch):
    """Fit one step in graph mode, on two cores, with a monitor; return what is needed to check."""
    (x, live), y = batch(request.param)
    model, layer = make_model()
    before = model.get_weights()
    layer.attach(monitor := Monitor(tensors=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.sched_getaffinity", lambda pid: {0, 1}, raising=False)
        model.fit([x, live], y, batch_size=ROWS, shuffle=False, verbose=0)
    return Oracle(before, x, live, y), live, before, model.get_weights(), monitor.read()


@pytest.mark.parametrize("name", ["h", "c", "carousel", "gated", "z"])
def test_gradients_are_those_that_zero_probes_measure(name, watched, assert_close, tolerance):
    oracle, _, _, _, reading = watched
    expected = oracle.gradients[name]
    assert np.abs(expected).max() > 0.01
    assert_close(reading.tensors[f"{name}_gradient"], expected, tolerance.output)
    assert_close(getattr(reading, f"{name}_gradient"), norms_by_step(expected), tolerance.output)


def test_gates_and_states_are_those_of_the_equations(watched, assert_close, tolerance):
    oracle, live, _, _, reading = watched
    on = live[:, :, None]
    for name in ("gates", "h", "c"):
        got, expected = (values * on for values in (reading.tensors[name], getattr(oracle, name)))
        assert_close(got, expected, tolerance.output, name)


def test_summaries_are_over_the_steps_that_live(watched, assert_close, tolerance):
    oracle, live, _, _, reading = watched
    gates = oracle.gates.reshape(ROWS, STEPS, GATES, UNITS)
    scaled = gates * [[1], [1], [0.5], [1]] + [[0], [0], [0.5], [0]]  # the candidate to 0 … 1
    assert not (np.abs(scaled - 0.1) < 1e-6).any()
    for t in range(STEPS):
        rows = live[:, t]
        assert_close(reading.gate_mean[t], gates[rows, t].mean((0, 2)), tolerance.output)
        assert_close(reading.gate_shut[t], (scaled[rows, t] < 0.1).mean((0, 2)), tolerance.output)
        assert_close(reading.gate_open[t], (scaled[rows, t] > 0.9).mean((0, 2)), tolerance.output)
        assert_close(
            [reading.h_rms[t], reading.c_rms[t]],
            [np.sqrt(np.mean(values[rows, t] ** 2)) for values in (oracle.h, oracle.c)],
            tolerance.output,
        )
    assert reading.gate_shut.max() > 0.1
    assert reading.gate_open.max() > 0.1
    assert_close(reading.forget_mean, gates[live][:, 1].mean(0), tolerance.output)


def test_gradients_of_the_pre_activations_sum_to_that_of_the_bias(watched, assert_close, tolerance):
    _, _, before, after, reading = watched
    bias_gradient = before[2] - after[2]  # a plain step at learning rate 1
    assert np.abs(bias_gradient).max() > 0.01
    assert_close(reading.tensors["z_gradient"].sum((0, 1)), bias_gradient, tolerance.output)


def test_a_state_probe_has_the_same_norms_for_ours_for_keras_and_for_the_monitor(
    two_cores, batch, make_weights
):
    (x, live), y = batch()
    x *= live[:, :, None]
    norms = []
    for lstm in (LSTM, keras.layers.LSTM):
        inputs, layer = keras.Input((STEPS, FEATURES)), lstm(UNITS, return_sequences=True)
        h = layer(keras.layers.Masking()(inputs))
        shown = keras.layers.Dense(2)(keras.ops.reshape(h, (-1, STEPS * UNITS)))
        model = keras.Model(inputs, shown)
        model.set_weights(make_weights(model))
        model.compile("sgd", "mse")
        norms.append(StateProbe(model, layer).norms(x, y))
        if lstm is LSTM:
            layer.attach(monitor := Monitor(tensors=True))
            model.train_on_batch(x, y)
            # a masked step makes no state for the probe to be added to
            made = monitor.read().tensors["h_gradient"] * live[:, :, None]
            norms.append(np.linalg.norm(made, axis=(0, 2)))
    assert (norms[0] > 0.01).all()
    np.testing.assert_allclose(norms[0], norms[1], 1e-5)
    np.testing.assert_allclose(norms[0], norms[2], 1e-5)
