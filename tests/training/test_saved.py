"""A `.keras` file is looked through before Keras opens it."""

import tracemalloc

import keras
import numpy as np
import pytest

from forecast.errors import InputError
from forecast.layers.quantiles import QuantileCRPS
from forecast.models.network import RECURRENT, FeatureStatistics, build_network
from forecast.settings import Settings
from forecast.shipped import pretrained_folder
from forecast.torture import keras_files
from forecast.training import saved
from forecast.training.pretrained import file_of
from forecast.training.saved import load_network

GOOD = pretrained_folder() / file_of(0)
HOSTILE = keras_files.files(GOOD)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_little_memory_before_keras_sees_it(
    tmp_path, monkeypatch, name
):
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: pytest.fail("Keras saw it"))
    content, says = HOSTILE[name]
    path = tmp_path / "lstm-seed0.keras"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        load_network(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert says in str(caught.value)
    assert peak < 2**23


@pytest.mark.parametrize("bias", [1.0, "chrono"])
@pytest.mark.parametrize("cell", RECURRENT)
def test_every_network_of_this_project_loads(tmp_path, cell, bias):
    statistics = FeatureStatistics(np.zeros(3), np.ones(3), 100)
    settings = Settings(lookback=16, horizon=5, forget_bias=bias)
    network = build_network(settings, cell, statistics, seed=2**31 - 1)
    network.optimizer.build(network.trainable_variables)
    network.save(tmp_path / "a.keras")
    again = load_network(tmp_path / "a.keras")
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert isinstance(again.loss, QuantileCRPS)
    assert isinstance(again.optimizer, keras.optimizers.SGD)  # that of the file stays there


def test_keras_itself_is_asked_for_its_safe_mode(monkeypatch):
    asked, real = {}, keras.saving.load_model

    def load(path, **how):
        asked.update(how)
        return real(path, **how)

    monkeypatch.setattr(keras.saving, "load_model", load)
    load_network(GOOD)
    assert asked["safe_mode"] is True


def test_the_widest_network_that_settings_allow_is_within_the_limits():
    for name in ("units", "lookback"):
        bounds = Settings.model_json_schema()["properties"][name]
        most = [each.get("maximum") for each in bounds.get("anyOf", [bounds])]
        assert saved.MOST in most
