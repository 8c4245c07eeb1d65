"""A small model, a batch and a silent callback, for the tests of GradientTelemetry."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from forecast.telemetry import GradientTelemetry, Probe

B, T, F = 8, 7, 3


@pytest.fixture(scope="session")
def batch() -> tuple[np.ndarray, np.ndarray]:
    """B windows (B, T, F) and a target (B, 1) for each."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(B, T, F)), rng.normal(size=(B, 1))
    return x.astype(np.float32), y.astype(np.float32)


@pytest.fixture(scope="session")
def sequential() -> Callable[..., keras.Model]:
    """Return a function that compiles layers and a Dense(1) after them."""

    def make(*layers: Any, optimizer: Any = None, **compiling: Any) -> keras.Model:
        model = keras.Sequential([keras.Input((T, F)), *layers, keras.layers.Dense(1)])
        model.compile(optimizer or keras.optimizers.SGD(0.01), "mse", **compiling)
        return model

    return make


@pytest.fixture(scope="session")
def silent(batch: tuple[np.ndarray, np.ndarray]) -> Callable[..., GradientTelemetry]:
    """Return a function that makes a callback that prints nothing; its probe: half of `batch`."""
    x, y = batch
    half = Probe(x[:4], y[:4])

    def make(
        preset: Any = "standard", every: int | None = None, probe: Probe | None = half
    ) -> GradientTelemetry:
        return GradientTelemetry(preset, every, probe, say=None)

    return make


@pytest.fixture(scope="session")
def fit(batch: tuple[np.ndarray, np.ndarray]) -> Callable[..., Any]:
    """Return a function that trains a model on `batch`, two steps an epoch."""
    x, y = batch

    def train(model: keras.Model, telemetry: Any, epochs: int = 2, **more: Any) -> Any:
        options = {"batch_size": 4, "shuffle": False, "verbose": 0, **more}
        return model.fit(x, y, epochs=epochs, callbacks=[telemetry], **options)

    return train


@pytest.fixture(scope="session")
def values() -> Callable[..., np.ndarray]:
    """Return a function that gives the values of a quantity, where columns have given values."""

    def find(telemetry: GradientTelemetry, quantity: str, **where: Any) -> np.ndarray:
        rows = telemetry.frame[telemetry.frame["quantity"] == quantity]
        for column, value in where.items():
            rows = rows[rows[column] == value]
        return rows["value"].to_numpy()

    return find
