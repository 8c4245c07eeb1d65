import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from forecast.layers import LSTM
from forecast.telemetry import GradientTelemetry, Probe
from forecast.telemetry.callback import COLUMNS
from forecast.telemetry.probe import StateProbe

B, T, F, U = 8, 7, 3, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, F)).astype(np.float32)
Y = RNG.normal(size=(B, 1)).astype(np.float32)
PROBE = Probe(X[:4], Y[:4])
INSIDE = {
    "state_gradient_norm",
    "gradient_decay",
    "memory_sessions",
    "gate_mean",
    "gate_saturation",
}


def sequential(*layers, optimizer=None):
    model = keras.Sequential([keras.Input((T, F)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.SGD(0.01), "mse")
    return model


def fit(model, telemetry, epochs=2, **more):
    return model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0,
                     callbacks=[telemetry], **more)  # fmt: skip


def values(telemetry, quantity, **where):
    rows = telemetry.frame[telemetry.frame["quantity"] == quantity]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows["value"].to_numpy()


def test_the_global_norm_of_every_step_is_that_before_clipping():
    clip, lr = 1e-4, 0.1
    model = sequential(
        keras.layers.GRU(U), optimizer=keras.optimizers.SGD(lr, global_clipnorm=clip)
    )
    twin = sequential(keras.layers.GRU(U))
    twin.set_weights(model.get_weights())
    names = [variable.path for variable in model.trainable_variables]
    telemetry = GradientTelemetry()
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
            found = values(telemetry, "update_ratio", **where)
            if np.linalg.norm(variable.numpy()) > 0.1:  # else rounding of float32 decides
                np.testing.assert_allclose(found, ratio, rtol=0.05)
            variable.assign(variable - lr * clip / whole * gradient)
    np.testing.assert_array_equal(values(telemetry, "clipped_share"), [1, 1])


def test_training_under_telemetry_gives_the_same_weights_and_losses_as_without():
    watched, alone = (
        sequential(LSTM(U), optimizer=keras.optimizers.Adam(0.01, global_clipnorm=0.5))
        for _ in range(2)
    )
    alone.set_weights(watched.get_weights())
    one = fit(watched, GradientTelemetry(PROBE))
    other = alone.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert one.history == other.history
    for a, b in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert "apply" not in vars(watched.optimizer)
    assert len(watched.variables) == len(alone.variables)


def test_two_recurrent_layers_of_a_sequential_model_are_each_looked_into():
    model = sequential(
        keras.layers.GRU(U, return_sequences=True, name="lower"), LSTM(U, name="upper")
    )
    telemetry = GradientTelemetry(PROBE)
    fit(model, telemetry)
    assert telemetry.left_out == {}
    frame = telemetry.frame
    for name in ("lower", "upper"):
        rows = frame[(frame["quantity"] == "state_gradient_norm") & (frame["layer"] == name)]
        assert sorted(rows["epoch"].unique()) == [0, 1, 2, 3]
        assert len(rows) == 4 * T
        last = rows[rows["epoch"] == 3].sort_values("lag_sessions")
        assert list(last["lag_sessions"]) == list(range(T))
        expected = StateProbe(model, model.get_layer(name)).norms(*PROBE)[::-1]
        np.testing.assert_allclose(last["value"], expected, rtol=1e-5)
        assert len(values(telemetry, "memory_sessions", layer=name)) == 4
    assert set(frame.loc[frame["quantity"] == "gate_mean", "layer"]) == {"upper"}
    assert set(frame.loc[frame["gate"] != "", "gate"]) == {"input", "forget", "candidate", "output"}
    shares = values(telemetry, "gate_saturation")
    assert ((shares >= 0) & (shares <= 1)).all()
    assert "forget gate" in telemetry.describe()


def test_a_model_without_a_recurrent_layer_gives_norms_and_no_quantities_of_states():
    model = sequential(keras.layers.Flatten(), keras.layers.Dense(3))
    telemetry = GradientTelemetry(PROBE)
    fit(model, telemetry)
    frame = telemetry.frame
    assert tuple(frame.columns) == COLUMNS
    assert set(frame["quantity"]) == {"global_norm", "norm", "update_ratio", "clipped_share"}
    assert len(values(telemetry, "global_norm")) == 4
    assert frame["lag_sessions"].isna().all()
    assert telemetry.left_out == {}


def test_without_a_probe_nothing_is_looked_into():
    telemetry = GradientTelemetry()
    fit(sequential(keras.layers.SimpleRNN(U)), telemetry)
    assert not INSIDE & set(telemetry.frame["quantity"])


def test_norms_are_measured_at_the_first_and_then_at_every_nth_step():
    telemetry = GradientTelemetry(every=3)
    fit(sequential(keras.layers.Flatten()), telemetry, epochs=4)
    rows = telemetry.frame[telemetry.frame["quantity"] == "global_norm"]
    assert list(rows["step"]) == [1, 3, 6]
    assert list(rows["epoch"]) == [1, 2, 3]
    assert len(values(telemetry, "clipped_share")) == 4


def test_a_quantity_that_fails_is_named_once_and_never_stops_a_training(monkeypatch):
    tries = []

    def fail(model, layer, x):
        tries.append(layer.name)
        raise RuntimeError("no gates today")

    monkeypatch.setattr("forecast.telemetry.callback.gate_values", fail)
    telemetry = GradientTelemetry(PROBE)
    history = fit(sequential(keras.layers.GRU(U, name="memory")), telemetry, epochs=3)
    assert len(history.history["loss"]) == 3
    assert tries == ["memory"]
    assert telemetry.left_out == {"gates of memory": "RuntimeError: no gates today"}
    assert len(values(telemetry, "state_gradient_norm")) == 5 * T


def test_a_layer_that_cannot_be_probed_is_named_and_the_others_are_measured():
    cells = keras.layers.StackedRNNCells([keras.layers.SimpleRNNCell(k) for k in (U, 2)])
    model = sequential(
        keras.layers.RNN(cells, return_sequences=True, name="stacked"),
        keras.layers.SimpleRNN(U, name="plain"),
    )
    telemetry = GradientTelemetry(PROBE)
    fit(model, telemetry, epochs=1)
    assert list(telemetry.left_out) == ["state_gradient_norm of stacked"]
    frame = telemetry.frame
    measured = frame.loc[frame["quantity"] == "state_gradient_norm", "layer"]
    assert set(measured) == {"plain"}


def test_one_telemetry_can_watch_one_model_after_another():
    telemetry = GradientTelemetry(PROBE)
    for seed in (0, 1):
        model = sequential(keras.layers.SimpleRNN(U, name="memory"))
        model.set_weights([w + seed for w in model.get_weights()])
        fit(model, telemetry, epochs=1)
        found = values(telemetry, "state_gradient_norm", epoch=2)[-T:][::-1]
        expected = StateProbe(model, model.get_layer("memory")).norms(*PROBE)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_after_a_training_that_failed_the_optimizer_is_as_it_was():
    class Failing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("stop")

    model = sequential(keras.layers.SimpleRNN(U))
    telemetry = GradientTelemetry(PROBE)
    with pytest.raises(RuntimeError, match="stop"):
        model.fit(X, Y, verbose=0, callbacks=[telemetry, Failing()])
    telemetry.close()
    assert "apply" not in vars(model.optimizer)
    model.fit(X, Y, verbose=0)
    GradientTelemetry().close()  # before any training


def test_the_frame_survives_parquet(tmp_path):
    telemetry = GradientTelemetry(PROBE)
    fit(sequential(keras.layers.SimpleRNN(U)), telemetry, epochs=1)
    telemetry.frame.to_parquet(tmp_path / "telemetry.parquet")
    read = pd.read_parquet(tmp_path / "telemetry.parquet")
    assert read["lag_sessions"].max() == T - 1
    np.testing.assert_array_equal(read["value"], telemetry.frame["value"])
