"""Outputs, states and gradients of our LSTM against Keras's, on random weights."""

import itertools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.layers import LSTM

FACTORS = {
    "steps": (1, 2, 60, 500),
    "batch": (1, 3, 17, 64),
    "mask": (None, "left", "right", "interior", "empty row"),
    "zero_output_for_mask": (False, True),
    "return_sequences": (False, True),
    "return_state": (False, True),
    "go_backwards": (False, True),
    "initial_state": (False, True),
    "use_bias": (False, True),
    "unroll": (False, True),
    "stateful": (False, True),
    "training": (False, True),
    "graph": (False, True),
    "dtype": ("float32", "float64"),
}
FEATURES, UNITS = 4, 5


def cases_that_cover_all_pairs():
    """Return few cases in which every two values of different factors meet (greedily)."""
    draw = random.Random(0)

    def possible(case):  # 500 unrolled steps take minutes to trace
        return not (case["unroll"] and case["steps"] == 500)

    def pairs(case):
        return set(itertools.combinations(case.items(), 2))

    wanted = {
        ((one, a), (other, b))
        for one, other in itertools.combinations(FACTORS, 2)
        for a, b in itertools.product(FACTORS[one], FACTORS[other])
    } - {(("steps", 500), ("unroll", True))}
    cases = []
    while wanted:
        seed = draw.choice(sorted(wanted, key=str))
        tries = [
            {name: draw.choice(values) for name, values in FACTORS.items()} | dict(seed)
            for _ in range(300)
        ]
        best = max(filter(possible, tries), key=lambda case: len(pairs(case) & wanted))
        wanted -= pairs(best)
        cases.append(best)
    return cases


def name_of(case):
    words = [str(value) if value not in (True, False) else name for name, value in case.items() if value]
    return "-".join(words)


def make_mask(kind, batch, steps, rng):
    """Return a mask (N, T) that lets few or many steps live."""
    if kind is None:
        return None
    first = rng.integers(0, steps + 1, (batch, 1))
    time = np.arange(steps)
    if kind in ("left", "right"):
        return time >= first if kind == "left" else time < first
    mask = rng.random((batch, steps)) < 0.6
    if kind == "empty row":
        mask[0] = False
    return mask


@pytest.mark.parametrize("case", cases_that_cover_all_pairs(), ids=name_of)
def test_outputs_states_and_gradients_are_those_of_keras(
    case, make_pair, measure, assert_close, tolerance, fused_runs
):
    case = dict(case)
    steps, batch, dtype = case.pop("steps"), case.pop("batch"), case["dtype"]
    kind, graph, training = case.pop("mask"), case.pop("graph"), case.pop("training")
    with_state = case.pop("initial_state")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(batch, steps, FEATURES)).astype(dtype)
    mask = make_mask(kind, batch, steps, rng)
    state = [rng.normal(size=(batch, UNITS)).astype(dtype) for _ in "hc"] if with_state else None
    ours, theirs = make_pair(x.shape, UNITS, **case)
    calls = [{"state": state}, {}, {"reset": True}] if case["stateful"] else [{"state": state}]
    for options in calls:
        if options.pop("reset", False):
            ours.reset_state(), theirs.reset_state()
        options |= {"mask": mask, "training": training}
        got = measure(ours, x, graph=graph, **options)
        expected = measure(theirs, x, graph=steps == 500, **options)  # eager steps are slow
        double = tolerance.float64 if dtype == "float64" else None
        assert_close(got.outputs, expected.outputs, double or tolerance.output)
        assert_close(got.gradients, expected.gradients, double or tolerance.gradient)
        assert {"inputs", "kernel", "recurrent_kernel"} <= got.gradients.keys()
    assert len(fused_runs) == len(calls)
