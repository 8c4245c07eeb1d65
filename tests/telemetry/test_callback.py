import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from forecast.layers import LSTM
from forecast.telemetry import GradientTelemetry
from forecast.telemetry.probe import StateProbe

B, T, U = 8, 7, 4


def test_the_norms_of_a_step_are_those_before_clipping_and_the_update_that_after_it(
    sequential, silent, fit, values, batch
):
    X, Y = batch
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
def test_training_under_telemetry_gives_the_same_weights_and_losses_as_without(
    preset, sequential, silent, fit, batch
):
    X, Y = batch
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


def test_without_a_probe_the_first_rows_of_the_first_batch_are_taken(
    sequential, silent, values, batch
):
    X, Y = batch
    model = sequential(keras.layers.SimpleRNN(U, return_sequences=True, name="memory"))
    y = np.repeat(Y[:, None], T, axis=1)  # a target at every step
    telemetry = silent(probe=None)
    model.fit(X, y, batch_size=B, shuffle=False, verbose=0, callbacks=[telemetry])
    last = np.zeros((B, T), np.float32)
    last[:, -1] = 1  # the loss of the last step alone, so that lags mean something
    expected = StateProbe(model, model.get_layer("memory")).norms(X, y, last)[::-1]
    found = values(telemetry, "state_gradient_norm", epoch=2)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_after_a_training_that_failed_the_model_is_as_it_was(sequential, silent, batch):
    X, Y = batch

    class Failing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("stop")

    model = sequential(LSTM(U))
    telemetry = silent(probe=None)
    with pytest.raises(RuntimeError, match="stop"):
        model.fit(X, Y, batch_size=4, verbose=0, callbacks=[telemetry, Failing()])
    telemetry.close()
    assert "apply" not in vars(model.optimizer)
    assert "compute_loss" not in vars(model)
    model.fit(X, Y, batch_size=4, verbose=0)
    silent().close()  # before any training


def test_full_also_measures_the_noise_scale_and_every_gate_by_lag(
    sequential, silent, values, batch
):
    X, Y = batch
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


def test_the_frame_survives_parquet(tmp_path, sequential, silent, fit):
    telemetry = silent()
    fit(sequential(keras.layers.SimpleRNN(U)), telemetry, epochs=1)
    telemetry.frame.to_parquet(tmp_path / "telemetry.parquet")
    read = pd.read_parquet(tmp_path / "telemetry.parquet")
    assert read["lag_sessions"].max() == T - 1
    np.testing.assert_array_equal(read["value"], telemetry.frame["value"])
