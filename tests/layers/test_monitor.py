"""What a monitor shows, against plain equations; and that it leaves the training as it is."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.layers import LSTM, LSTMCell, Monitor
from forecast.telemetry.probe import StateProbe

ROWS, STEPS, FEATURES, UNITS = 16, 6, 4, 5
GATES = 4


def make_weights(model):
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.5, w.shape) for w in model.get_weights()]


def make_model(lstm=LSTM, **options):
    """Return a model with a loss on every output h and the last c, on random weights."""
    inputs = keras.Input((STEPS, FEATURES)), keras.Input((STEPS,), dtype="bool")
    layer = lstm(UNITS, return_sequences=True, return_state=True, name="memory", **options)
    h, _, c_last = layer(inputs[0], mask=inputs[1])
    h = keras.ops.reshape(h, (-1, STEPS * UNITS))  # drops the mask: the loss is on all steps
    shown = keras.layers.Dense(2, name="head")(keras.layers.Concatenate()([h, c_last]))
    model = keras.Model(inputs, shown)
    model.set_weights(make_weights(model))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    return model, layer


def batch(masked=True, rows=ROWS):
    """Inputs (N, T, F) with their mask (N, T), and targets (N, 2)."""
    rng = np.random.default_rng(1)
    x = rng.normal(0, 2, size=(rows, STEPS, FEATURES)).astype("float32")
    live = rng.random((rows, STEPS)) < 0.7 if masked else np.ones((rows, STEPS), bool)
    return [x, live], rng.normal(size=(rows, 2)).astype("float32")


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
def watched(request):
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


def test_a_state_probe_has_the_same_norms_for_ours_for_keras_and_for_the_monitor(two_cores):
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


def test_training_in_eager_mode_with_a_monitor_is_training_in_graph_mode_without(
    assert_close, tolerance
):
    inputs, y = batch(rows=4)
    trained, monitor = [], Monitor()
    for eager in (False, True):
        model, layer = make_model(dropout=0.2, seed=3)
        model.compile("adam", "mse", run_eagerly=eager)
        if eager:
            layer.attach(monitor)
        history = model.fit(inputs, y, batch_size=4, shuffle=False, verbose=0)
        trained.append([history.history["loss"], model.get_weights()])
    assert_close(*trained, tolerance.output)
    assert monitor.read().seen == 1
    assert monitor.read().h_gradient.min() > 0


def test_a_monitor_counts_training_steps_alone():
    inputs, y = batch(rows=12)
    model, layer = make_model()
    layer.attach(monitor := Monitor())
    assert monitor.read() is None
    steps = []
    for _ in range(3):
        model.predict(inputs, batch_size=4, verbose=0)
        model.evaluate(inputs, y, batch_size=4, verbose=0)
        model.train_on_batch([value[:4] for value in inputs], y[:4])
        steps.append(monitor.read().seen)
    assert steps == [1, 2, 3]


def test_batches_of_different_length_can_be_watched_one_after_the_other():
    layer = LSTM(UNITS)
    model = keras.Sequential([keras.Input((None, FEATURES)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    layer.attach(monitor := Monitor())
    for rows, steps in ((4, 6), (3, 2)):
        model.train_on_batch(np.ones((rows, steps, FEATURES)), np.ones((rows, 1)))
        reading = monitor.read()
        assert reading.c_gradient.shape == (steps,)
        assert reading.z_gradient.shape == reading.gate_mean.shape == (steps, GATES)


def test_a_frozen_layer_shows_the_same_gradients_as_one_that_learns():
    inputs, y = batch(rows=4)
    readings = []
    for trainable in (True, False):
        model, layer = make_model(trainable=trainable)
        layer.attach(monitor := Monitor())
        before = layer.get_weights()
        model.train_on_batch(inputs, y)
        assert np.array_equal(before[1], layer.get_weights()[1]) is not trainable
        readings.append(monitor.read().z_gradient)
    np.testing.assert_allclose(*readings, rtol=1e-6)
    assert (readings[0][1:] > 0).all()  # at the first step c₋₁ = 0 and f does nothing


def test_a_layer_that_was_only_run_shows_its_gates_and_no_gradients():
    (x, _), _ = batch(rows=4)
    layer = LSTM(UNITS)
    layer.attach(monitor := Monitor())
    layer(x, training=True)
    reading = monitor.read()
    assert (reading.gate_mean[:, :2] > 0).all()
    assert np.isnan(reading.h_gradient).all()
    assert np.isnan(reading.z_gradient).all()


def test_both_directions_of_a_bidirectional_layer_can_be_watched(assert_close, tolerance):
    (x, _), y = batch(rows=4)
    both = keras.layers.Bidirectional(LSTM(UNITS))
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), both, keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    layers = both.forward_layer, both.backward_layer
    expected = [layer(x, return_gates=True)[-1] for layer in layers]
    monitors = [Monitor(), Monitor()]
    for layer, monitor in zip(layers, monitors, strict=True):
        layer.attach(monitor)
    model.train_on_batch(x, y)
    for monitor, gates in zip(monitors, expected, strict=True):
        reading = monitor.read()
        means = np.stack([np.mean(gates[gate], (0, 2)) for gate in "ifgo"], 1)
        assert_close(reading.gate_mean, means, tolerance.output)
        assert reading.h_gradient[-1] > reading.h_gradient[0] > 0  # in the order they ran


def operations(model, layer):
    """How often each kind of operation is in the graph of a training pass."""
    inputs, _ = batch(rows=4)

    @tf.function
    def run(x, live):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model([x, live], training=True))
        return tape.gradient(loss, [w.value for w in layer.trainable_weights])

    graph = run.get_concrete_function(*map(tf.constant, inputs)).graph.as_graph_def()
    inside = (node for f in graph.library.function for node in f.node_def)
    return collections.Counter(node.op for node in (*graph.node, *inside))


def test_a_layer_without_a_monitor_carries_nothing_of_it():
    model, layer = make_model()
    variables = len(model.variables)
    bare = operations(model, layer)
    assert not {"If", "StatelessIf", "AssignVariableOp"} & set(bare)
    layer.attach(Monitor())
    assert operations(model, layer)["AssignVariableOp"] > 0
    assert len(model.variables) == variables
    assert len(layer.weights) == 3
    layer.detach()
    layer.detach()
    assert operations(model, layer) == bare
    assert set(vars(layer)) == set(vars(make_model()[1]))


def test_a_training_function_built_before_is_told_by_building_it_anew():
    inputs, y = batch(rows=4)
    model, layer = make_model()
    model.train_on_batch(inputs, y)
    layer.attach(monitor := Monitor())
    model.train_on_batch(inputs, y)
    assert monitor.read() is None
    model.make_train_function(force=True)
    model.train_on_batch(inputs, y)
    assert monitor.read().seen == 1
    layer.detach()
    model.make_train_function(force=True)
    model.train_on_batch(inputs, y)
    assert monitor.read().seen == 1


def test_a_monitored_model_is_saved_without_its_monitor(tmp_path):
    inputs, y = batch(rows=4)
    model, layer = make_model()
    layer.attach(monitor := Monitor())
    model.train_on_batch(inputs, y)
    expected = model.predict(inputs, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict(inputs, verbose=0), expected)
    assert len(loaded.variables) == len(model.variables)
    loaded.train_on_batch(inputs, y)
    assert monitor.read().seen == 1
    assert loaded.get_layer("memory").get_config() == layer.get_config()
