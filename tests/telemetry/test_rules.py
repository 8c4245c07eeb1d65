import dataclasses
import re

import keras
import numpy as np
import pytest

from forecast.layers import Reading
from forecast.telemetry import rules
from forecast.telemetry.log import TelemetryLog
from forecast.telemetry.quantities import memory

T, U = 60, 4
HEALTHY = Reading(
    seen=1,
    gate_mean=np.full((T, 4), 0.5),
    gate_shut=np.zeros((T, 4)),
    gate_open=np.zeros((T, 4)),
    h_rms=np.full(T, 0.3),
    c_rms=np.full(T, 0.5),
    forget_mean=np.full(U, 0.7),
    h_gradient=np.ones(T),
    c_gradient=np.ones(T),
    carousel_gradient=np.ones(T),
    gated_gradient=np.ones(T),
    z_gradient=np.ones((T, 4)),
)


def gate_at(k, value):
    column = np.zeros((T, 4))
    column[:, k] = value
    return column


@pytest.mark.parametrize(
    ("layer", "remedy"),
    [
        (
            keras.layers.LSTM(2),
            r"a forget bias of 4\.1 \(= ln 59\) .*: --forget-bias 4\.1 or chrono",
        ),
        (keras.layers.GRU(2), r"try an LSTM with a forget bias .*: --cell lstm --forget-bias 4\.1"),
        (keras.layers.SimpleRNN(2), r"try an LSTM or a GRU \(forecast train: --cell\) or an ortho"),
    ],
    ids=["lstm", "gru", "simple-rnn"],
)
def test_a_vanishing_gradient_names_rate_sessions_and_remedy(layer, remedy):
    finding = rules.reach(layer, "memory", memory(0.73 ** np.arange(T)), T)
    assert (finding.kind, finding.layer, finding.lag_sessions) == ("vanishing", "memory", 3)
    words = "memory: the recurrent gradient falls by a factor of 0.73 per session and is down to a"
    assert finding.text.startswith(words)
    assert "at lag 3.2: this network learns from about 3 of its 60 sessions" in finding.text
    assert re.search(remedy, finding.text)


def test_an_exploding_gradient_names_how_much_larger_it_is():
    finding = rules.reach(keras.layers.LSTM(2), "memory", memory(1.2 ** np.arange(T)), T)
    assert finding.kind == "exploding"
    assert "grows by 1.20 per session" in finding.text
    assert f"{1.2**59:.1e} times larger at lag 59" in finding.text


@pytest.mark.parametrize("rate", [0.9, 0.99, 1.0, 1.01])
def test_a_gradient_that_reaches_far_enough_is_not_told(rate):
    assert rules.reach(keras.layers.LSTM(2), "memory", memory(rate ** np.arange(T)), T) is None


def test_a_healthy_layer_is_silent():
    assert not list(rules.gates("memory", HEALTHY))
    assert rules.cell_growth("memory", HEALTHY) is None


def test_a_saturated_gate_is_named_but_an_open_forget_gate_is_memory():
    stuck = dataclasses.replace(HEALTHY, gate_open=gate_at(3, 0.95))
    (finding,) = rules.gates("memory", stuck)
    assert (finding.kind, finding.gate) == ("saturated gate", "output")
    assert "the output gate is saturated: 95% of its values" in finding.text
    assert not list(rules.gates("memory", dataclasses.replace(HEALTHY, gate_open=gate_at(1, 1))))
    (shut,) = rules.gates("memory", dataclasses.replace(HEALTHY, gate_shut=gate_at(1, 1)))
    assert shut.gate == "forget"


def test_a_dead_gate_is_named_with_the_gate_that_gets_the_gradient():
    pull = np.ones((T, 4))
    pull[:, 0] = 1e-5
    (finding,) = rules.gates("memory", dataclasses.replace(HEALTHY, z_gradient=pull))
    assert (finding.kind, finding.gate) == ("dead gate", "input")
    assert "the input gate is dead" in finding.text


def test_a_cell_that_only_adds_is_told():
    finding = rules.cell_growth("memory", dataclasses.replace(HEALTHY, c_rms=np.arange(1.0, T + 1)))
    assert finding.kind == "cell norm drift"
    assert "the cell state keeps growing, to 60.0" in finding.text
    small = dataclasses.replace(HEALTHY, c_rms=np.arange(1.0, T + 1) / 30)  # tanh is not flat there
    assert rules.cell_growth("memory", small) is None


def test_a_spike_is_told_with_what_is_usual_and_calm_norms_are_not():
    rule, rng = rules.SpikeRule(), np.random.default_rng(0)
    calm = [rule(k, norm) for k, norm in enumerate(rng.normal(1, 0.05, 200))]
    assert not any(calm)
    assert rule(200, 2.5) is None  # batches of returns differ by so much
    finding = rule(200, 5.0)
    assert "a gradient spike at step 200: norm 5 where 1.04 is usual" in finding.text
    assert rules.SpikeRule()(0, 1e9) is None  # nothing is usual yet


def test_an_update_ratio_is_told_when_it_is_off_three_times_and_never_of_a_bias():
    for ratio, size in ((0.5, "too large"), (1e-8, "too small")):
        rule, names = rules.UpdateRule([True, False]), ["a/kernel", "a/bias"]
        assert not list(rule(np.full(2, ratio), names)) + list(rule(np.full(2, ratio), names))
        (finding,) = rule(np.full(2, ratio), names)
        assert finding.layer == "a/kernel"
        assert size in finding.text


def test_update_ratios_that_are_off_now_and_then_are_not_told():
    rule = rules.UpdateRule([True])
    ratios = [0.5, 0.5, 1e-3, 0.5, 0.5, 1e-3]
    assert not [f for ratio in ratios for f in rule(np.array([ratio]), ["a/kernel"])]


def test_a_threshold_that_clips_everything_is_told_with_a_better_one():
    assert rules.clipping(0.9, 3.0) is None
    said = rules.clipping(1.0, 3.0).text
    assert "try global_clipnorm=3 (forecast train: --clip-norm 3), the average norm" in said


def test_a_gradient_that_is_not_finite_is_told_with_step_and_weight():
    finding = rules.not_finite(7, np.array([1.0, np.nan]), ["a", "b"])
    assert "not finite at step 7 (in b)" in finding.text


def test_an_alert_is_kept_once_for_each_layer_and_gate():
    log = TelemetryLog()
    for layer in ("a", "b", "a"):
        log.alert(rules.Finding("vanishing", 0.7, "falls", layer, lag_sessions=4))
    assert [alert.layer for alert in log.alerts] == ["a", "b"]
    assert log.take_fresh() == ["vanishing: falls"] * 2
    assert not log.take_fresh()
    assert list(log.frame["quantity"]) == ["alert: vanishing"] * 2
