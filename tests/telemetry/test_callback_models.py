"""Which layers of which models are looked into, and what is said of the others."""

import warnings
from types import SimpleNamespace

import keras
import numpy as np

from forecast.layers import LSTM
from forecast.telemetry import GradientTelemetry, Probe
from forecast.telemetry.log import COLUMNS
from forecast.telemetry.probe import StateProbe

B, T, F, U = 8, 7, 3, 4
RNG = np.random.default_rng(0)
NORMS = {"global_norm", "norm", "update_ratio"}


def test_two_recurrent_layers_are_each_looked_into_before_while_and_after(
    sequential, silent, fit, values, batch
):
    X, Y = batch
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
        expected = StateProbe(model, model.get_layer(name)).norms(X[:4], Y[:4])[::-1]
        np.testing.assert_allclose(last["value"], expected, rtol=1e-4)
        assert len(values(telemetry, "memory_sessions", layer=name)) == 3
    assert set(frame.loc[frame["quantity"] == "cell_gradient_norm", "layer"]) == {"upper"}
    assert set(frame.loc[frame["quantity"] == "gate_mean", "layer"]) == {"upper"}
    assert set(frame.loc[frame["gate"] != "", "gate"]) == {"input", "forget", "candidate", "output"}
    shares = values(telemetry, "gate_saturation")
    assert ((shares >= 0) & (shares <= 1)).all()


def test_keras_lstm_shows_on_the_probe_what_ours_shows_while_it_trains(sequential, silent, batch):
    X, Y = batch
    ours, other = (
        sequential(LSTM(U, name="memory")),
        sequential(keras.layers.LSTM(U, name="memory")),
    )
    other.set_weights(ours.get_weights())
    seen, forget = [], []
    for model in (ours, other):
        telemetry = silent(probe=Probe(X, Y))
        model.fit(X, Y, batch_size=B, epochs=1, verbose=0, callbacks=[telemetry])
        rows = telemetry.frame.query("gate != '' or quantity == 'carousel_share'")
        seen.append(rows.groupby(["quantity", "gate"])["value"].first())
        forget.append(telemetry.headline["forget_mean"])
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-4, atol=1e-6)


def test_both_directions_of_a_bidirectional_layer_and_a_layer_in_a_model_are_found(
    sequential, silent, fit
):
    inner = keras.Sequential([keras.Input((T, 2 * U)), keras.layers.GRU(2, name="deep")], name="in")
    both = keras.layers.Bidirectional(
        keras.layers.LSTM(U, return_sequences=True, name="walk"), name="both"
    )
    telemetry = silent(probe=None)
    fit(sequential(both, inner), telemetry, epochs=1)
    layers = set(telemetry.frame.loc[telemetry.frame["quantity"] == "memory_sessions", "layer"])
    assert layers == {"both/forward_walk", "both/backward_walk", "in/deep"}
    assert telemetry.left_out == {}


def test_a_model_without_a_recurrent_layer_is_told_and_gives_norms(sequential, fit):
    said = []
    telemetry = GradientTelemetry(every=1, say=said.append)
    fit(sequential(keras.layers.Flatten(), keras.layers.Dense(3)), telemetry)
    assert tuple(telemetry.frame.columns) == COLUMNS
    assert set(telemetry.frame["quantity"]) == NORMS
    assert telemetry.frame["lag_sessions"].isna().all()
    told = "not measured: gradients by lag and gates (the model holds no recurrent layer such as"
    assert sum(line.startswith(told) for line in said) == 1
    assert sum(line.startswith("epoch") for line in said) == 2


def test_a_layer_compiled_away_is_told_with_the_remedy_and_norms_go_on(
    sequential, silent, fit, values
):
    telemetry = silent(every=1, probe=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(sequential(LSTM(U, name="memory"), jit_compile=True), telemetry)
    assert "use jit_compile=False" in telemetry.left_out["gates of memory"]
    assert "give probe=Probe(x, y)" in telemetry.left_out["a training batch to look at"]
    assert len(values(telemetry, "global_norm")) == 4


def test_a_layer_that_cannot_be_probed_is_named_once_and_the_others_are_measured(
    sequential, silent, fit
):
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


def test_one_telemetry_can_watch_one_model_after_another(silent, values):
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


def test_on_several_replicas_gradient_norms_are_left_out_with_the_reason(
    sequential, fit, monkeypatch
):
    said = []
    model = sequential(keras.layers.Dense(3), keras.layers.Flatten())
    telemetry = GradientTelemetry(every=1, say=said.append)
    with monkeypatch.context() as patch:
        two = SimpleNamespace(num_replicas_in_sync=2)
        patch.setattr(type(model), "distribute_strategy", two)
        telemetry.set_model(model)
    assert "the model learns on 2 replicas" in telemetry.left_out["gradient norms"]
    fit(model, telemetry)
    assert telemetry.frame.empty
    assert not any(line.startswith("epoch") for line in said)
