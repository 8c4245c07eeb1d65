"""Our LSTM in the place of Keras's inside models: training, wrappers, saving, serving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.layers import LSTM, plain_loop

ROWS, STEPS, FEATURES, UNITS = 4, 6, 4, 5


def batch(rows=3 * ROWS, seed=1):
    """Inputs (N, T, F), the last steps of some rows zero, and targets (N, 1)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, STEPS, FEATURES)).astype("float32")
    x[::3, 4:] = 0
    return x, rng.normal(size=(rows, 1)).astype("float32")


def alone(lstm):
    return [lstm(UNITS)]


def stacked(lstm):
    first = lstm(
        UNITS,
        return_sequences=True,
        kernel_regularizer="l1l2",
        recurrent_regularizer="l2",
        bias_regularizer="l1",
        activity_regularizer="l2",
        kernel_constraint="max_norm",
        recurrent_constraint="unit_norm",
    )
    second = lstm(UNITS, go_backwards=True, zero_output_for_mask=True)
    return [keras.layers.Masking(), first, second]


def stateful(lstm):
    return [lstm(UNITS, stateful=True, dropout=0.3, seed=5)]


def both_ways(lstm):
    return [keras.layers.Masking(), keras.layers.Bidirectional(lstm(UNITS), merge_mode="sum")]


def half_precise(lstm):
    return [lstm(UNITS, dtype="mixed_bfloat16")]


def make_model(layers, lstm):
    """Return a model of the layers and a head, with the same random weights for both LSTMs."""
    model = keras.Sequential(
        [keras.Input((STEPS, FEATURES), batch_size=ROWS), *layers(lstm), keras.layers.Dense(1)]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return model


def train(model, **options):
    """Train for three steps; return the loss of the epoch and the weights, which have changed."""
    before = [w.numpy() for w in model.trainable_weights]
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", **options)
    history = model.fit(*batch(), batch_size=ROWS, shuffle=False, verbose=0)
    after = [w.numpy() for w in model.trainable_weights]
    assert all(np.abs(a - b).max() > 0.001 for a, b in zip(after, before, strict=True))
    return history.history["loss"], after


@pytest.mark.parametrize("layers", [stacked, stateful, both_ways, half_precise])
def test_three_steps_of_fit_end_at_the_weights_of_keras(layers, assert_close, tolerance):
    got, expected = (train(make_model(layers, lstm)) for lstm in (LSTM, keras.layers.LSTM))
    within = tolerance.half_precision if layers is half_precise else tolerance.output
    assert_close(got, expected, within)


def test_compiled_and_eager_training_end_at_the_weights_of_keras(assert_close, tolerance):
    expected = train(make_model(alone, keras.layers.LSTM))
    for options in ({"jit_compile": True}, {"run_eagerly": True}):
        assert_close(train(make_model(alone, LSTM), **options), expected, tolerance.output)


def test_regularisers_add_the_losses_of_keras(assert_close, tolerance):
    x, _ = batch(ROWS)
    losses = []
    for lstm in (LSTM, keras.layers.LSTM):
        model = make_model(stacked, lstm)
        model(x)
        losses.append([float(loss) for loss in model.losses])
    assert len(losses[1]) == 4
    assert_close(*losses, tolerance.output)


@pytest.mark.parametrize("merge_mode", ["concat", "ave", "mul", None])
def test_bidirectional_hands_states_through(merge_mode, assert_close, tolerance, randomise):
    x, _ = batch(ROWS)
    made = []
    state = list(np.random.default_rng(1).normal(size=(4, ROWS, UNITS)).astype("float32"))
    for lstm in (LSTM, keras.layers.LSTM):
        inner = lstm(UNITS, return_sequences=True, return_state=True)
        layer = keras.layers.Bidirectional(inner, merge_mode=merge_mode)
        layer.build(x.shape)
        randomise(layer)
        made.append(layer(x, initial_state=state, mask=x.any(2)))
    assert_close(*made, tolerance.output)


def test_a_saved_model_loads_in_safe_mode_with_the_same_outputs(tmp_path):
    x, _ = batch()
    model = make_model(both_ways, LSTM)
    expected = model.predict(x, batch_size=ROWS, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert isinstance(loaded.layers[1].forward_layer, LSTM)
    np.testing.assert_array_equal(loaded.predict(x, batch_size=ROWS, verbose=0), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow")
def test_an_exported_model_serves_the_same_outputs(tmp_path, assert_close, tolerance):
    x, _ = batch()
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), *stacked(LSTM)])
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    for rows in (ROWS, 1):
        expected = model(x[:rows])
        assert_close(served.serve(tf.constant(x[:rows])), expected, tolerance.output)


def test_every_argument_survives_the_config():
    options = {
        "units": 3,
        "activation": "relu",
        "recurrent_activation": "hard_sigmoid",
        "use_bias": True,
        "unit_forget_bias": False,
        "kernel_regularizer": "l2",
        "recurrent_constraint": "unit_norm",
        "dropout": 0.1,
        "recurrent_dropout": 0.2,
        "seed": 3,
        "return_sequences": True,
        "return_state": True,
        "go_backwards": True,
        "stateful": True,
        "unroll": True,
        "zero_output_for_mask": True,
        "use_cudnn": False,
        "implementation": 1,
        "dtype": "mixed_float16",
        "name": "memory",
    }
    layer = LSTM(**options)
    again = LSTM.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.use_cudnn is False
    assert again.cell.implementation == 1
    assert again.cell.dropout_mask_count == keras.layers.LSTM(**options).cell.dropout_mask_count


def test_weights_and_config_of_keras_can_be_taken_over(assert_close, tolerance, randomise):
    x, _ = batch(ROWS)
    theirs = keras.layers.LSTM(UNITS, return_sequences=True, go_backwards=True)
    theirs.build(x.shape)
    randomise(theirs)
    ours = LSTM.from_config(theirs.get_config())
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    assert_close(ours(x), theirs(x), tolerance.output)
    back = keras.layers.LSTM(UNITS, return_sequences=True, go_backwards=True)
    back.build(x.shape)
    back.set_weights(ours.get_weights())
    assert_close(back(x), theirs(x), 0)


def test_within_plain_loop_anyones_model_is_written_as_onnx(tmp_path):
    import onnxruntime

    rng = np.random.default_rng(0)
    inner = LSTM(3, return_sequences=True)
    model = keras.Sequential([keras.layers.Bidirectional(inner), LSTM(4), keras.layers.Dense(2)])
    x = rng.normal(size=(5, 7, 2)).astype(np.float32)
    expected = model.predict(x, verbose=0)
    with plain_loop():
        model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (given,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(given, expected, atol=1e-6)
