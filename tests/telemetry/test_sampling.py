import keras
import numpy as np
import pytest

from forecast.layers import LSTM, Monitor
from forecast.telemetry.sampling import SampledSteps


def make_model(**options):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((7, 3)), LSTM(4, dropout=0.2, seed=2), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse", **options)
    return model, model.layers[0]


def batches(rows=24):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 7, 3)).astype("float32"), rng.normal(size=(rows, 1))


class Seen(keras.callbacks.Callback):
    """What each step added to what a monitor has seen."""

    def __init__(self, monitor):
        super().__init__()
        self.monitor, self.counts = monitor, []

    def on_train_batch_end(self, batch, logs=None):
        self.counts.append(self.monitor.read().seen)


@pytest.mark.parametrize(
    ("every", "together", "expected"),
    [
        (1, 1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (4, 1, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]),
        (3, 2, [2, 4, 4, 6, 8, 8]),  # steps that run together are looked at together
    ],
)
def test_the_first_and_then_every_nth_step_is_looked_at_over_all_epochs(every, together, expected):
    model, layer = make_model(steps_per_execution=together)
    layer.attach(monitor := Monitor())
    seen = Seen(monitor)
    x, y = batches()
    model.fit(
        x, y, batch_size=4, epochs=2, verbose=0, callbacks=[SampledSteps([monitor], every), seen]
    )
    assert seen.counts == expected


def test_a_training_that_is_looked_at_is_the_same_training():
    x, y = batches()
    trained = []
    for every in (None, 3):
        model, layer = make_model()
        callbacks = []
        if every:
            layer.attach(monitor := Monitor())
            callbacks = [SampledSteps([monitor], every)]
        model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
        trained.append(model.get_weights())
    for plain, watched in zip(*trained, strict=True):
        np.testing.assert_allclose(watched, plain, atol=1e-6)


def test_steps_that_are_not_looked_at_run_a_function_without_the_monitor():
    model, layer = make_model()
    layer.attach(monitor := Monitor())
    sampled = SampledSteps([monitor], every=2)
    x, y = batches(8)
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[sampled])
    watching, passing = sampled._functions[True], sampled._functions[False]
    assert watching is not passing
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[sampled])
    assert sampled._functions == {True: watching, False: passing}
    assert model.train_function is watching
    assert monitor.watching


@pytest.mark.parametrize("every", [0, -3, 1.5, "10", None, True])
def test_a_cadence_that_would_never_look_is_refused(every):
    message = rf"every={every!r}\. Expected a whole number, 1 or more: every=1 looks at each step"
    with pytest.raises(ValueError, match=message):
        SampledSteps([Monitor()], every)
