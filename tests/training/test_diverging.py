"""A training that meets NaN or infinity stops, says where it began, and keeps what was good."""

import numpy as np
import pytest

from forecast.errors import DivergedError
from forecast.models.network import build_network
from forecast.settings import Settings
from forecast.training import NeuralForecaster
from forecast.training.batches import TrainingBatches

SETTINGS = Settings(lookback=16, horizon=5, units=3, epochs=3, steps_per_epoch=3, batch_size=8)


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=2, sessions=520, seed=8)


def message(panel, folder=None, cell="lstm", telemetry="off"):
    settings = SETTINGS.model_copy(update={"telemetry": telemetry})
    network = NeuralForecaster(settings, cell, 0, panel.sessions[400].date(), checkpoint=folder)
    with pytest.raises(DivergedError) as stopped:
        network.fit(panel, panel.sessions[499])
    return str(stopped.value)


def spoil(monkeypatch, change, at=(2, 1)):
    """Change (x, y, weight) of one batch of the training: epoch (from 1) and step (from 0)."""
    real = TrainingBatches.cut

    def spoiled(self, epoch, step):
        x, y, weight = (part.copy() for part in real(self, epoch, step))
        if (epoch, step) == at:
            change(x, y)
        return x, y, weight

    monkeypatch.setattr(TrainingBatches, "cut", spoiled)


def test_features_that_are_not_finite_are_named_and_the_last_good_epoch_is_kept(
    panel, monkeypatch, tmp_path
):
    spoil(monkeypatch, lambda x, y: x.__setitem__((0, 3, 0), np.nan))
    said = message(panel, tmp_path, telemetry="standard")
    assert "the loss became nan at step 2 of epoch 2" in said
    assert "it began at step 2, in the input features. Try a smaller --lr" in said
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-00001.state"]


def test_targets_that_are_not_finite_are_named(panel, monkeypatch):
    spoil(monkeypatch, lambda x, y: y.fill(np.inf))
    assert "in the loss: its targets or weights are not finite" in message(panel, cell="gru")


@pytest.mark.parametrize(("block", "gate"), [(0, "input"), (1, "forget"), (3, "output")])
def test_the_gate_in_which_it_began_is_named_with_its_session(panel, monkeypatch, block, gate):
    def poisoned(*arguments):
        network = build_network(*arguments)
        kernel = network.get_layer("recurrent").cell.kernel
        value = np.array(kernel)
        value[0, 3 * block] = np.nan
        kernel.assign(value)
        return network

    monkeypatch.setattr("forecast.training.forecaster.build_network", poisoned)
    assert f"it began at step 1, in layer recurrent, {gate} gate, session 1 of 16. Try" in message(
        panel
    )


def test_a_training_of_finite_numbers_is_left_alone(panel):
    network = NeuralForecaster(SETTINGS, "gru", 0, panel.sessions[400].date())
    assert len(network.fit(panel, panel.sessions[499]).history_) == 3
