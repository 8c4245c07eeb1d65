"""Keras's own tests, from the installed package, with our layer in Keras's place."""

import importlib
import unittest
from unittest import mock

import pytest

from forecast.layers import LSTM

# Keras's harness trains on a generator; this says nothing of the layer.
pytestmark = pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")


def run_keras_tests(module_name):
    """Return the result of a module of Keras's tests in which `layers.LSTM` is ours."""
    module = importlib.import_module(f"keras.src.layers.rnn.{module_name}")
    result = unittest.TestResult()
    with mock.patch.object(module.layers, "LSTM", LSTM):
        unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    return result


@pytest.mark.parametrize(
    ("module_name", "at_least", "runs"), [("lstm_test", 6, 20), ("bidirectional_test", 12, 5)]
)
def test_the_tests_of_keras_pass_with_our_layer(module_name, at_least, runs, fused_runs):
    result = run_keras_tests(module_name)
    told = [f"{test}\n{trace}" for test, trace in result.failures + result.errors]
    assert not told, "\n".join(told)
    assert result.testsRun - len(result.skipped) >= at_least
    assert len(fused_runs) >= runs
