"""The gates and states of every step, on request, on every road a layer takes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.layers import LSTM

ROWS, STEPS, FEATURES, UNITS = 4, 6, 4, 5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, STEPS, FEATURES)).astype("float32")
LIVE = RNG.random((ROWS, STEPS)) < 0.7
NAMES = ["i", "f", "g", "o", "h", "c"]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def equations(weights, x, live=None, squash=np.tanh):
    """Gates and states (N, T, U) by the equations, in the order the steps run."""
    kernel, recurrent, bias = (w.astype("float64") for w in weights)
    h = c = np.zeros((len(x), UNITS))
    made = {name: [] for name in NAMES}
    for t in range(x.shape[1]):
        z_i, z_f, z_c, z_o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        i, f, g, o = sigmoid(z_i), sigmoid(z_f), squash(z_c), sigmoid(z_o)
        on = np.ones((len(x), 1), bool) if live is None else live[:, t, None]
        c = np.where(on, f * c + i * g, c)
        h = np.where(on, o * squash(c), h)
        for name, value in zip(NAMES, (i, f, g, o, h, c), strict=True):
            made[name].append(value)
    return {name: np.stack(values, 1) for name, values in made.items()}


def make_layer(randomise, shape=X.shape, **options):
    layer = LSTM(UNITS, **options)
    layer.build(shape)
    randomise(layer)
    return layer


@pytest.fixture
def nothing_else(monkeypatch):
    """Let Keras's own loop fail: no step may be run there, beside what hands out the gates."""

    def fail(*_, **__):
        raise AssertionError("the input was run by Keras's loop")

    monkeypatch.setattr(keras.layers.LSTM, "inner_loop", fail)


ROADS = {
    "fused": {},
    "fused, all outputs": {"return_sequences": True, "return_state": True},
    "plain": {"use_cudnn": False},
    "plain, all outputs": {"use_cudnn": False, "return_sequences": True, "return_state": True},
    "relu": {"activation": "relu"},
}


@pytest.mark.parametrize("mask", [None, LIVE], ids=["all steps", "masked"])
@pytest.mark.parametrize("road", ROADS)
def test_gates_and_states_are_those_of_the_equations(
    road, mask, randomise, assert_close, tolerance, fused_runs, nothing_else
):
    options = ROADS[road]
    layer = make_layer(randomise, **options)
    squash = (lambda z: np.maximum(z, 0)) if road == "relu" else np.tanh
    *outputs, gates = layer(X, mask=mask, return_gates=True)
    expected = equations(layer.get_weights(), X, mask, squash)
    assert_close(gates, expected, tolerance.output)
    assert list(gates) == NAMES
    assert len(fused_runs) == ("fused" in road)
    if "all outputs" in road:
        assert_close(outputs[1:], [expected[k][:, -1] for k in "hc"], tolerance.output)
        begun = 1 if mask is None else np.cumsum(LIVE, 1)[:, :, None] > 0
        assert_close(outputs[0], expected["h"] * begun, tolerance.output)


@pytest.mark.parametrize("road", ["fused", "plain"])
def test_backwards_the_steps_come_in_the_order_they_ran(road, randomise, assert_close, tolerance):
    layer = make_layer(randomise, go_backwards=True, **ROADS[road])
    _, gates = layer(X, mask=LIVE, return_gates=True)
    expected = equations(layer.get_weights(), X[:, ::-1], LIVE[:, ::-1])
    assert_close(gates, expected, tolerance.output)


@pytest.mark.parametrize("road", ["fused", "plain"])
def test_a_zeroed_output_leaves_the_state_that_is_shown_as_it_is(
    road, randomise, assert_close, tolerance
):
    options = {"return_sequences": True, "zero_output_for_mask": True}
    layer = make_layer(randomise, **ROADS[road], **options)
    outputs, gates = layer(X, mask=LIVE, return_gates=True)
    expected = equations(layer.get_weights(), X, LIVE)
    assert_close(gates, expected, tolerance.output)
    assert_close(outputs, expected["h"] * LIVE[:, :, None], tolerance.output)


def test_a_model_predicts_its_gates_running_the_input_once(
    randomise, assert_close, tolerance, fused_runs, nothing_else
):
    inputs = keras.Input((None, FEATURES))
    layer = LSTM(UNITS)
    last, gates = layer(inputs, return_gates=True)
    assert gates["f"].shape == (None, None, UNITS)
    randomise(layer)
    model = keras.Model(inputs, [last, gates])
    shown, seen = model.predict(X, batch_size=ROWS, verbose=0)
    expected = equations(layer.get_weights(), X)
    assert_close(seen, expected, tolerance.output)
    assert_close(shown, expected["h"][:, -1], tolerance.output)
    assert len(fused_runs) == 1


def test_a_length_unknown_to_the_graph_hides_no_gates(
    randomise, assert_close, tolerance, fused_runs, nothing_else
):
    layer = make_layer(randomise)

    @tf.function(input_signature=[tf.TensorSpec((None, None, FEATURES))])
    def run(x):
        return layer(x, return_gates=True)[-1]

    for steps in (STEPS, 2):
        expected = equations(layer.get_weights(), X[:, :steps])
        assert_close(run(X[:, :steps]), expected, tolerance.output)
    assert not fused_runs


def test_a_model_that_shows_its_gates_is_saved_with_them(tmp_path, randomise):
    inputs = keras.Input((STEPS, FEATURES))
    model = keras.Model(inputs, LSTM(UNITS, return_state=True)(inputs, return_gates=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    for one, other in zip(loaded(X), model(X), strict=True):
        for a, b in zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True):
            np.testing.assert_array_equal(a, b)


class GateKeeper(keras.Model):
    """Forecasts from the last output; the loss also holds the mean forget gate near 0.9."""

    def __init__(self, **options):
        super().__init__()
        self.memory = LSTM(UNITS, **options)
        self.head = keras.layers.Dense(1)
        self.seen = tf.Variable(tf.zeros((ROWS, STEPS, UNITS)), trainable=False)

    def call(self, x, training=False):
        last, gates = self.memory(x, training=training, return_gates=True)
        self.add_loss(keras.ops.mean((gates["f"] - 0.9) ** 2) + keras.ops.mean(gates["c"] ** 2))
        self.seen.assign(gates["f"])
        return self.head(last)


def test_gates_are_there_inside_fit_and_a_loss_of_them_trains_the_layer(
    assert_close, tolerance, fused_runs, nothing_else
):
    y = RNG.normal(size=(ROWS, 1))
    trained = []
    for road in ("fused", "plain"):
        model = GateKeeper(**ROADS[road])
        model.compile(keras.optimizers.SGD(1.0), "mse")
        model(X)
        rng = np.random.default_rng(1)
        model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
        before = model.memory.get_weights()
        model.fit(X, y, batch_size=ROWS, shuffle=False, verbose=0)
        assert_close(model.seen, equations(before, X)["f"], tolerance.output)
        trained.append(model.get_weights())
        assert np.abs(before[1] - model.memory.get_weights()[1]).max() > 1e-3
    assert_close(*trained, tolerance.gradient)
    assert fused_runs


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.4},
        {"dropout": 0.4, "recurrent_dropout": 0.3},
        {"dropout": 0.4, "use_cudnn": False},
    ],
    ids=str,
)
def test_asking_for_the_gates_changes_no_output_in_training(
    options, randomise, assert_close, tolerance
):
    made = []
    for asked in (False, True):
        layer = make_layer(randomise, seed=7, return_state=True, **options)
        made.append(layer(X, training=True, return_gates=asked))
    *outputs, gates = made[1]
    assert_close(outputs, list(made[0]), tolerance.output)
    assert_close(outputs[1:], [gates["h"][:, -1], gates["c"][:, -1]], tolerance.output)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_gates_have_the_type_the_layer_computes_in(dtype, randomise, assert_close, tolerance):
    layer = make_layer(randomise, dtype=dtype)
    _, gates = layer(X, return_gates=True)
    assert {gate.dtype.name for gate in gates.values()} == {layer.compute_dtype}
    shown = layer(keras.Input(X.shape[1:]), return_gates=True)[-1]
    assert {gate.dtype for gate in shown.values()} == {layer.compute_dtype}
    seen = {name: tf.cast(gate, tf.float64) for name, gate in gates.items()}
    within = tolerance.float64 if dtype == "float64" else tolerance.half_precision
    assert_close(seen, equations(layer.get_weights(), X), within)


def test_a_stateful_layer_goes_on_from_where_it_was_until_it_is_reset(
    randomise, assert_close, tolerance
):
    layer = make_layer(randomise, stateful=True)
    weights = [w.numpy() for w in layer.trainable_weights]
    parts = [layer(X, return_gates=True)[-1] for _ in range(2)]
    expected = equations(weights, np.concatenate([X, X], 1))
    for name in NAMES:
        joined = np.concatenate([part[name] for part in parts], 1)
        assert_close(joined, expected[name], tolerance.output)
    layer.reset_state()
    assert_close(layer(X, return_gates=True)[-1], parts[0], 0)
