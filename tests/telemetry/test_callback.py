import warnings

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from forecast.layers import LSTM
from forecast.telemetry import GradientTelemetry, Probe
from forecast.telemetry.log import COLUMNS
from forecast.telemetry.probe import StateProbe

B, T, F, U = 8, 7, 3, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, F)).astype(np.float32)
Y = RNG.normal(size=(B, 1)).astype(np.float32)
PROBE = Probe(X[:4], Y[:4])
NORMS = {"global_norm", "norm", "update_ratio"}


def sequential(*layers, optimizer=None, **compiling):
    model = keras.Sequential([keras.Input((T, F)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.SGD(0.01), "mse", **compiling)
    return model


def silent(preset="standard", every=None, probe=PROBE):
    return GradientTelemetry(preset, every, probe, say=None)


def fit(model, telemetry, epochs=2, **more):
    return model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0,
                     callbacks=[telemetry], **more)  # fmt: skip


def values(telemetry, quantity, **where):
    rows = telemetry.frame[telemetry.frame["quantity"] == quantity]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows["value"].to_numpy()


def test_the_norms_of_a_step_are_those_before_clipping_and_the_update_that_after_it():
    clip, lr = 1e-4, 0.1
    model = sequential(
        keras.layers.GRU(U), optimizer=keras.optimizers.SGD(lr, global_clipnorm=clip)
    )
    twin = sequential(keras.layers.GRU(U))
    twin.set_weights(model.get_weights())
    names = [variable.path for variable in model.trainable_variables]
    telemetry = silent(every=1)
    fit(model, telemetry)
    for step in range(4):
        part = slice(4 * (step % 2), 4 * (step % 2) + 4)
        weights = [variable.value for variable in twin.trainable_variables]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(twin(X[part]) - Y[part]))
        gradients = [g.numpy() for g in tape.gradient(loss, weights)]
        whole = np.sqrt(sum((g**2).sum() for g in gradients))
        at = {"step": step + 1}
        np.testing.assert_allclose(values(telemetry, "global_norm", **at), whole, rtol=1e-4)
        for name, variable, gradient in zip(
            names, twin.trainable_variables, gradients, strict=True
        ):
            where = {**at, "layer": name}
            norm = np.linalg.norm(gradient)
            np.testing.assert_allclose(values(telemetry, "norm", **where), norm, rtol=1e-4)
            ratio = lr * clip / whole * norm / max(np.linalg.norm(variable.numpy()), 1e-12)
            if np.linalg.norm(variable.numpy()) > 0.1:  # else rounding of float32 decides
                found = values(telemetry, "update_ratio", **where)
                np.testing.assert_allclose(found, ratio, rtol=0.05)
            variable.assign(variable - lr * clip / whole * gradient)
    np.testing.assert_array_equal(values(telemetry, "clipped_share"), [1, 1])
    assert [alert.kind for alert in telemetry.alerts].count("everything clipped") == 1


@pytest.mark.parametrize("preset", ["standard", "full"])
def test_training_under_telemetry_gives_the_same_weights_and_losses_as_without(preset):
    watched, alone = (
        sequential(
            LSTM(U, dropout=0.2, seed=1),
            optimizer=keras.optimizers.Adam(0.01, global_clipnorm=0.5),
        )
        for _ in range(2)
    )
    alone.set_weights(watched.get_weights())
    one = fit(watched, silent(preset, probe=None))
    other = alone.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert one.history == other.history
    for a, b in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert "apply" not in vars(watched.optimizer)
    assert "compute_loss" not in vars(watched)
    assert len(watched.variables) == len(alone.variables)


def test_two_recurrent_layers_are_each_looked_into_before_while_and_after():
    model = sequential(
        keras.layers.GRU(U, return_sequences=True, name="lower"), LSTM(U, name="upper")
    )
    telemetry = silent()
    fit(model, telemetry)
    assert telemetry.left_out == {}
    frame = telemetry.frame
    for name in ("lower", "upper"):
        rows = frame[(frame["quantity"] == "state_gradient_norm") & (frame["layer"] == name)]
        assert sorted(rows["epoch"].unique()) == [0, 1, 3]  # before, epochs 1, 4 …, after
        last = rows[rows["epoch"] == 3].sort_values("lag_sessions")
        assert list(last["lag_sessions"]) == list(range(T))
        expected = StateProbe(model, model.get_layer(name)).norms(*PROBE)[::-1]
        np.testing.assert_allclose(last["value"], expected, rtol=1e-4)
        assert len(values(telemetry, "memory_sessions", layer=name)) == 3
    assert set(frame.loc[frame["quantity"] == "cell_gradient_norm", "layer"]) == {"upper"}
    assert set(frame.loc[frame["quantity"] == "gate_mean", "layer"]) == {"upper"}
    assert set(frame.loc[frame["gate"] != "", "gate"]) == {"input", "forget", "candidate", "output"}
    shares = values(telemetry, "gate_saturation")
    assert ((shares >= 0) & (shares <= 1)).all()


def test_keras_lstm_shows_on_the_probe_what_ours_shows_while_it_trains():
    ours, other = (
        sequential(LSTM(U, name="memory")),
        sequential(keras.layers.LSTM(U, name="memory")),
    )
    other.set_weights(ours.get_weights())
    seen = []
    for model in (ours, other):
        telemetry = silent(probe=Probe(X, Y))
        model.fit(X, Y, batch_size=B, epochs=1, verbose=0, callbacks=[telemetry])
        rows = telemetry.frame.query("gate != '' or quantity == 'carousel_share'")
        seen.append(rows.groupby(["quantity", "gate"])["value"].first())
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-4, atol=1e-6)


def test_without_a_probe_the_first_rows_of_the_first_batch_are_taken():
    model = sequential(keras.layers.SimpleRNN(U, return_sequences=True, name="memory"))
    y = np.repeat(Y[:, None], T, axis=1)  # a target at every step
    telemetry = silent(probe=None)
    model.fit(X, y, batch_size=B, shuffle=False, verbose=0, callbacks=[telemetry])
    last = np.zeros((B, T), np.float32)
    last[:, -1] = 1  # the loss of the last step alone, so that lags mean something
    expected = StateProbe(model, model.get_layer("memory")).norms(X, y, last)[::-1]
    found = values(telemetry, "state_gradient_norm", epoch=2)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_both_directions_of_a_bidirectional_layer_and_a_layer_in_a_model_are_found():
    inner = keras.Sequential([keras.Input((T, 2 * U)), keras.layers.GRU(2, name="deep")], name="in")
    both = keras.layers.Bidirectional(
        keras.layers.LSTM(U, return_sequences=True, name="walk"), name="both"
    )
    telemetry = silent(probe=None)
    fit(sequential(both, inner), telemetry, epochs=1)
    layers = set(telemetry.frame.loc[telemetry.frame["quantity"] == "memory_sessions", "layer"])
    assert layers == {"both/forward_walk", "both/backward_walk", "in/deep"}
    assert telemetry.left_out == {}


def test_a_model_without_a_recurrent_layer_is_told_and_gives_norms():
    said = []
    telemetry = GradientTelemetry(every=1, say=said.append)
    fit(sequential(keras.layers.Flatten(), keras.layers.Dense(3)), telemetry)
    assert tuple(telemetry.frame.columns) == COLUMNS
    assert set(telemetry.frame["quantity"]) == NORMS
    assert telemetry.frame["lag_sessions"].isna().all()
    told = "not measured: gradients by lag and gates (the model holds no recurrent layer such as"
    assert sum(line.startswith(told) for line in said) == 1
    assert sum(line.startswith("epoch") for line in said) == 2


def test_a_layer_compiled_away_is_told_with_the_remedy_and_norms_go_on():
    telemetry = silent(every=1, probe=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(sequential(LSTM(U, name="memory"), jit_compile=True), telemetry)
    assert "use jit_compile=False" in telemetry.left_out["gates of memory"]
    assert "give probe=Probe(x, y)" in telemetry.left_out["a training batch to look at"]
    assert len(values(telemetry, "global_norm")) == 4


def test_norms_are_measured_at_the_first_and_every_nth_step_after_it():
    telemetry = silent(every=3)
    fit(sequential(keras.layers.Flatten()), telemetry, epochs=4)
    rows = telemetry.frame[telemetry.frame["quantity"] == "global_norm"]
    assert list(rows["step"]) == [1, 4, 7]
    assert list(rows["epoch"]) == [1, 2, 4]


def test_several_steps_in_one_call_are_measured_too():
    telemetry = silent(every=2)
    fit(sequential(keras.layers.GRU(U), steps_per_execution=2), telemetry, epochs=3)
    assert list(telemetry.frame.query("quantity == 'global_norm'")["step"]) == [2, 4, 6]
    assert telemetry.left_out == {}


def test_a_layer_that_cannot_be_probed_is_named_once_and_the_others_are_measured():
    cells = keras.layers.StackedRNNCells([keras.layers.SimpleRNNCell(k) for k in (U, 2)])
    model = sequential(
        keras.layers.RNN(cells, return_sequences=True, name="stacked"),
        keras.layers.SimpleRNN(U, name="plain"),
    )
    telemetry = silent()
    fit(model, telemetry, epochs=3)
    assert list(telemetry.left_out) == ["gradient by lag of stacked"]
    assert sum("stacked" in line for line in telemetry.news()) == 1
    measured = telemetry.frame.query("quantity == 'state_gradient_norm'")["layer"]
    assert set(measured) == {"plain"}


def test_one_telemetry_can_watch_one_model_after_another():
    telemetry = silent(probe=None)
    for width in (F, F + 2):
        model = keras.Sequential(
            [keras.Input((T, width)), keras.layers.SimpleRNN(U, name="memory")]
        )
        model.compile("sgd", "mse")
        x = RNG.normal(size=(B, T, width)).astype(np.float32)
        y = np.zeros((B, U), np.float32)
        model.fit(x, y, verbose=0, shuffle=False, callbacks=[telemetry])
        found = values(telemetry, "state_gradient_norm", epoch=2)[-T:][::-1]
        expected = StateProbe(model, model.get_layer("memory")).norms(x, y)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert telemetry.left_out == {}


def test_a_training_that_goes_on_from_a_state_sees_what_one_without_a_stop_sees():
    def start():
        keras.utils.set_random_seed(0)
        return sequential(LSTM(U, name="memory"), optimizer=keras.optimizers.SGD(0.1))

    whole, first, second = silent(every=2), silent(every=2), silent(every=2)
    fit(start(), whole, epochs=4)
    model = start()
    fit(model, first, epochs=2, initial_epoch=0)
    at_epoch_2 = first.frame["epoch"] <= 2
    first.log.rows = [r for r, keep in zip(first.log.rows, at_epoch_2, strict=True) if keep]
    first.log.epoch = 2
    state = first.get_state()

    class Resume(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            second.set_state(state)

    model.fit(X, Y, batch_size=4, epochs=4, initial_epoch=2, shuffle=False, verbose=0,
              callbacks=[second, Resume()])  # fmt: skip
    one, other = (t.frame.drop(columns="layer") for t in (second, whole))  # other model names
    pd.testing.assert_frame_equal(one, other, rtol=1e-5)
    assert [alert.kind for alert in second.alerts] == [alert.kind for alert in whole.alerts]


class Looks(keras.callbacks.Callback):
    """How many steps a telemetry's monitors have looked at, after every step."""

    def __init__(self, telemetry):
        super().__init__()
        self.telemetry, self.seen = telemetry, []

    def on_train_batch_end(self, batch, logs=None):
        (monitor,) = self.telemetry._gates.monitors.values()
        self.seen.append(monitor.read().seen if monitor.read() else 0)


def test_the_batches_of_a_resumed_training_are_looked_into_at_the_steps_of_one_without_a_stop():
    class Resume(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            second.set_state(first.get_state())

    first, second = silent("full", every=3), silent("full", every=3)
    options = {"batch_size": 2, "verbose": 0}
    sequential(LSTM(U)).fit(X, Y, callbacks=[first], **options)  # steps 1 and 4 of 4
    looks = Looks(second)
    sequential(LSTM(U)).fit(
        X, Y, epochs=2, initial_epoch=1, callbacks=[second, Resume(), looks], **options
    )
    assert looks.seen == [1, 1, 2, 2]  # the epoch's first, and the seventh


def test_gates_are_looked_at_in_the_epochs_that_are_read_alone():
    telemetry = silent(every=1)
    looks = Looks(telemetry)
    sequential(LSTM(U)).fit(
        X, Y, batch_size=4, epochs=4, verbose=0, callbacks=[telemetry, looks]
    )  # fmt: skip
    assert looks.seen == [1, 2, 2, 2, 2, 2, 3, 4]  # epochs 1 and 4
    short = silent(every=100)
    sequential(LSTM(U)).fit(X, Y, batch_size=4, epochs=4, verbose=0, callbacks=[short])
    rows = short.frame.query("quantity == 'gate_mean' and gate == 'forget'")
    assert list(rows["epoch"]) == [0, 1, 4, 5]  # also in epochs shorter than the cadence


def test_after_a_training_that_failed_the_model_is_as_it_was():
    class Failing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("stop")

    model = sequential(LSTM(U))
    telemetry = silent(probe=None)
    with pytest.raises(RuntimeError, match="stop"):
        model.fit(X, Y, verbose=0, callbacks=[telemetry, Failing()])
    telemetry.close()
    assert "apply" not in vars(model.optimizer)
    assert "compute_loss" not in vars(model)
    model.fit(X, Y, verbose=0)
    silent().close()  # before any training


def test_full_also_measures_the_noise_scale_and_every_gate_by_lag():
    telemetry = silent("full")
    x, y = np.repeat(X, 4, axis=0), np.repeat(Y, 4, axis=0)
    model = sequential(LSTM(U))
    model.fit(x, y, batch_size=16, epochs=1, verbose=0, callbacks=[telemetry])
    assert len(values(telemetry, "noise_scale")) == 1
    by_lag = telemetry.frame.query("quantity == 'gate_gradient_norm' and lag_sessions >= 0")
    assert set(by_lag["gate"]) == {"input", "forget", "candidate", "output"}


@pytest.mark.parametrize("wrong", [{"preset": "rich"}, {"every": 0}])
def test_a_wrong_preset_or_cadence_is_told_with_those_there_are(wrong):
    with pytest.raises(ValueError, match="Expected one of economy, standard, full and a number"):
        GradientTelemetry(**wrong)


def test_the_frame_survives_parquet(tmp_path):
    telemetry = silent()
    fit(sequential(keras.layers.SimpleRNN(U)), telemetry, epochs=1)
    telemetry.frame.to_parquet(tmp_path / "telemetry.parquet")
    read = pd.read_parquet(tmp_path / "telemetry.parquet")
    assert read["lag_sessions"].max() == T - 1
    np.testing.assert_array_equal(read["value"], telemetry.frame["value"])
