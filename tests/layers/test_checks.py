"""What a user gets to read who hands a layer something that does not fit."""

import keras
import numpy as np
import pytest

from forecast.layers import LSTM, ChronoBias, ConstantGateBias, LSTMCell, Monitor

X = np.zeros((3, 6, 4), "float32")


@pytest.fixture(scope="module")
def layer():
    layer = LSTM(5, name="memory")
    layer.build(X.shape)
    return layer


@pytest.mark.parametrize("units", [0, -1, 2.5, True, "8", None])
@pytest.mark.parametrize("make", [LSTM, LSTMCell])
def test_units_that_are_no_positive_whole_number_are_refused(make, units):
    message = rf"{make.__name__} received units={units!r}\. Expected a whole number, 1 or more"
    with pytest.raises(ValueError, match=message):
        make(units)


def test_units_may_be_an_integer_of_numpy():
    assert LSTM(np.int64(5))(X).shape == (3, 5)


@pytest.mark.parametrize("shape", [(6, 4), (3,), (2, 3, 6, 4)], ids=str)
def test_inputs_without_three_dimensions_are_refused_built_or_not(layer, shape):
    name, sizes = "memory", ", ".join(map(str, shape))
    message = rf"'{name}' received inputs of shape \({sizes},?\)\. Expected three dimensions, "
    for refusing in (layer, LSTM(5, name=name)):
        with pytest.raises(ValueError, match=message + r".*x\[None\].*x\[\.\.\., None\]"):
            refusing(np.zeros(shape, "float32"))


def test_another_number_of_features_is_refused(layer):
    message = r"'memory' received inputs of shape \(3, 6, 2\)\. Expected 4 features .*make a new"
    with pytest.raises(ValueError, match=message):
        layer(X[:, :, :2])
    with pytest.raises(ValueError, match=r"shape \(None, 6, 2\)\. Expected 4 features"):
        layer(keras.Input((6, 2)))


def test_an_unknown_number_of_features_is_refused():
    message = r"cannot be built for inputs of shape \(None, 6, None\).*keras\.Input\(\(steps, feat"
    with pytest.raises(ValueError, match=message):
        LSTM(5)(keras.Input((6, None)))


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ([np.zeros((3, 5))], r"\[\(3, 5\)\]"),
        (np.zeros((3, 5)), r"\[\(3, 5\)\]"),
        ([np.zeros((3, 4)), np.zeros((3, 4))], r"\[\(3, 4\), \(3, 4\)\]"),
        ([np.zeros((3, 5)), np.zeros((2, 5))], r"\[\(3, 5\), \(2, 5\)\]"),
        ([np.zeros(5), np.zeros(5)], r"\[\(5,\), \(5,\)\]"),
        ([[0.0] * 5] * 2, r"\['list', 'list'\]"),
    ],
    ids=["one", "a tensor", "width", "batch", "rank", "lists"],
)
def test_an_initial_state_that_does_not_fit_is_refused(layer, state, told):
    message = (
        rf"'memory' received an initial state of shapes {told}\. Expected two tensors, h and c, "
        r"of shape \(3, 5\) \(batch, units\): pass \[h, c\], or None for zeros"
    )
    with pytest.raises(ValueError, match=message):
        layer(X, initial_state=state)


def test_an_initial_state_that_does_not_fit_is_refused_when_a_model_is_made(layer):
    states = [keras.Input((4,)), keras.Input((4,))]
    with pytest.raises(ValueError, match=r"shape \(None, 5\) \(batch, units\)"):
        layer(keras.Input((6, 4)), initial_state=states)


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (np.ones((3, 5), bool), r"\(3, 5\)"),
        (np.ones((2, 6), bool), r"\(2, 6\)"),
        (np.ones((3, 6, 1), bool), r"\(3, 6, 1\)"),
        ([[True] * 6] * 3, "list"),
    ],
    ids=["steps", "batch", "rank", "lists"],
)
def test_a_mask_that_does_not_fit_is_refused(layer, mask, told):
    message = (
        rf"'memory' received a mask of shape {told} for inputs of shape \(3, 6, 4\)\. "
        r"Expected a tensor of shape \(3, 6\) \(batch, steps\), True where the step counts"
    )
    with pytest.raises(ValueError, match=message):
        layer(X, mask=mask)


def test_an_unknown_ablation_is_refused_with_the_list_of_those_there_are():
    with pytest.raises(
        ValueError, match=r"no LSTM ablation 'gru'\. Expected one of no_input_.*coup"
    ):
        LSTMCell(3, ablation="gru")


@pytest.mark.parametrize("bias", [ConstantGateBias(2.0), ChronoBias(60)])
@pytest.mark.parametrize("make", [LSTM, LSTMCell])
def test_two_settings_of_the_forget_bias_are_refused(make, bias):
    with pytest.raises(ValueError, match=rf"{type(bias).__name__} .*pass unit_forget_bias=False"):
        make(4, bias_initializer=bias)
    assert make(4, bias_initializer=bias, unit_forget_bias=False)
    assert make(4, bias_initializer=bias, use_bias=False)


@pytest.mark.parametrize("horizon", [2, 0, -60])
def test_chrono_initialisation_without_a_horizon_is_refused(horizon):
    with pytest.raises(ValueError, match=rf"got horizon={horizon}\. Expected more than 2: pass"):
        ChronoBias(horizon)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"activation": "relu"}, "activation=relu"),
        ({"recurrent_activation": "hard_sigmoid"}, "recurrent_activation=hard_sigmoid"),
        ({"recurrent_dropout": 0.1}, r"recurrent_dropout=0\.1"),
        ({"dropout": 0.1, "implementation": 1}, "dropout with implementation=1"),
        ({"dtype": "mixed_float16"}, "compute dtype float16"),
        ({"use_cudnn": False}, "use_cudnn=False"),
    ],
    ids=str,
)
def test_a_monitor_is_refused_by_a_layer_off_the_fused_loop_with_the_reason(options, reason):
    message = rf"cannot be attached to layer 'memory'.*because of {reason}\. Leave .*StateProbe"
    with pytest.raises(ValueError, match=message):
        LSTM(5, name="memory", **options).attach(Monitor())


def test_a_monitor_of_another_layer_is_refused_until_that_layer_lets_it_go():
    first, second = LSTM(5, name="lower"), LSTM(5, name="upper")
    first.attach(monitor := Monitor())
    with pytest.raises(
        ValueError,
        match=r"given to layer 'upper' is attached to layer 'lower'\..*or detach 'lower' first",
    ):
        second.attach(monitor)
    assert second.monitor is None
    first.attach(monitor)  # its own again
    first.attach(Monitor())  # which lets the other go
    second.attach(monitor)
    second.detach()
    LSTM(5).attach(monitor)


@pytest.mark.parametrize("thing", [None, Monitor, 3])
def test_only_a_monitor_can_be_attached(layer, thing):
    with pytest.raises(TypeError, match=r"'memory' was given .* Expected a monitor: pass .*detach"):
        layer.attach(thing)


def test_a_cudnn_that_is_not_there_and_an_unknown_argument_are_refused_by_keras(layer):
    with pytest.raises(ValueError, match=r"Pass use_cudnn='auto'"):
        LSTM(5, use_cudnn=True)(X)
    with pytest.raises(ValueError, match="Unrecognized keyword arguments"):
        LSTM(5, gates=4)
