"""A monitor and the training it watches: what is seen when, and that nothing else changes."""

import collections

import keras
import numpy as np
import tensorflow as tf

from forecast.layers import LSTM, Monitor

STEPS, FEATURES, UNITS = 6, 4, 5
GATES = 4


def test_training_in_eager_mode_with_a_monitor_is_training_in_graph_mode_without(
    assert_close, tolerance, make_model, batch
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


def test_a_monitor_counts_training_steps_alone(make_model, batch):
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


def test_a_frozen_layer_shows_the_same_gradients_as_one_that_learns(make_model, batch):
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


def test_a_layer_that_was_only_run_shows_its_gates_and_no_gradients(batch):
    (x, _), _ = batch(rows=4)
    layer = LSTM(UNITS)
    layer.attach(monitor := Monitor())
    layer(x, training=True)
    reading = monitor.read()
    assert (reading.gate_mean[:, :2] > 0).all()
    assert np.isnan(reading.h_gradient).all()
    assert np.isnan(reading.z_gradient).all()


def test_both_directions_of_a_bidirectional_layer_can_be_watched(assert_close, tolerance, batch):
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


def operations(model, layer, inputs):
    """How often each kind of operation is in the graph of a training pass."""

    @tf.function
    def run(x, live):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model([x, live], training=True))
        return tape.gradient(loss, [w.value for w in layer.trainable_weights])

    graph = run.get_concrete_function(*map(tf.constant, inputs)).graph.as_graph_def()
    inside = (node for f in graph.library.function for node in f.node_def)
    return collections.Counter(node.op for node in (*graph.node, *inside))


def test_a_layer_without_a_monitor_carries_nothing_of_it(make_model, batch):
    (model, layer), (inputs, _) = make_model(), batch(rows=4)
    variables = len(model.variables)
    bare = operations(model, layer, inputs)
    assert not {"If", "StatelessIf", "AssignVariableOp"} & set(bare)
    layer.attach(Monitor())
    assert operations(model, layer, inputs)["AssignVariableOp"] > 0
    assert len(model.variables) == variables
    assert len(layer.weights) == 3
    layer.detach()
    layer.detach()
    assert operations(model, layer, inputs) == bare
    assert set(vars(layer)) == set(vars(make_model()[1]))


def test_a_training_function_built_before_is_told_by_building_it_anew(make_model, batch):
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


def test_a_monitored_model_is_saved_without_its_monitor(tmp_path, make_model, batch):
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
