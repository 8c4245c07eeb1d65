"""At which steps and epochs it is measured, also where a training goes on after a stop."""

import keras
import pandas as pd

from forecast.layers import LSTM

U = 4


def test_norms_are_measured_at_the_first_and_every_nth_step_after_it(sequential, silent, fit):
    telemetry = silent(every=3)
    fit(sequential(keras.layers.Flatten()), telemetry, epochs=4)
    rows = telemetry.frame[telemetry.frame["quantity"] == "global_norm"]
    assert list(rows["step"]) == [1, 4, 7]
    assert list(rows["epoch"]) == [1, 2, 4]


def test_several_steps_in_one_call_are_measured_too(sequential, silent, fit):
    telemetry = silent(every=2)
    fit(sequential(keras.layers.GRU(U), steps_per_execution=2), telemetry, epochs=3)
    assert list(telemetry.frame.query("quantity == 'global_norm'")["step"]) == [2, 4, 6]
    assert telemetry.left_out == {}


def test_a_training_that_goes_on_from_a_state_sees_what_one_without_a_stop_sees(
    sequential, silent, fit, batch
):
    X, Y = batch

    def start():
        keras.utils.set_random_seed(0)
        return sequential(LSTM(U, name="memory"), optimizer=keras.optimizers.SGD(0.1))

    whole, first, second = silent(every=2), silent(every=2), silent(every=2)
    fit(start(), whole, epochs=4)
    model = start()
    fit(model, first, epochs=2, initial_epoch=0)
    at_epoch_2 = first.frame["epoch"] <= 2
    first.log.rows = [r for r, keep in zip(first.log.rows, at_epoch_2, strict=True) if keep]
    first.log.epoch = 2
    state = first.get_state()

    class Resume(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            second.set_state(state)

    model.fit(X, Y, batch_size=4, epochs=4, initial_epoch=2, shuffle=False, verbose=0,
              callbacks=[second, Resume()])  # fmt: skip
    one, other = (t.frame.drop(columns="layer") for t in (second, whole))  # other model names
    pd.testing.assert_frame_equal(one, other, rtol=1e-5)
    assert [alert.kind for alert in second.alerts] == [alert.kind for alert in whole.alerts]


class Looks(keras.callbacks.Callback):
    """How many steps a telemetry's monitors have looked at, after every step."""

    def __init__(self, telemetry):
        super().__init__()
        self.telemetry, self.seen = telemetry, []

    def on_train_batch_end(self, batch, logs=None):
        (monitor,) = self.telemetry._gates.monitors.values()
        self.seen.append(monitor.read().seen if monitor.read() else 0)


def test_the_batches_of_a_resumed_training_are_looked_into_at_the_steps_of_one_without_a_stop(
    sequential, silent, batch
):
    X, Y = batch

    class Resume(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            second.set_state(first.get_state())

    first, second = silent("full", every=3), silent("full", every=3)
    options = {"batch_size": 2, "verbose": 0}
    sequential(LSTM(U)).fit(X, Y, callbacks=[first], **options)  # steps 1 and 4 of 4
    looks = Looks(second)
    sequential(LSTM(U)).fit(
        X, Y, epochs=2, initial_epoch=1, callbacks=[second, Resume(), looks], **options
    )
    assert looks.seen == [1, 1, 2, 2]  # the epoch's first, and the seventh


def test_gates_are_looked_at_in_the_epochs_that_are_read_alone(sequential, silent, batch):
    X, Y = batch
    telemetry = silent(every=1)
    looks = Looks(telemetry)
    sequential(LSTM(U)).fit(
        X, Y, batch_size=4, epochs=4, verbose=0, callbacks=[telemetry, looks]
    )  # fmt: skip
    assert looks.seen == [1, 2, 2, 2, 2, 2, 3, 4]  # epochs 1 and 4
    short = silent(every=100)
    sequential(LSTM(U)).fit(X, Y, batch_size=4, epochs=4, verbose=0, callbacks=[short])
    rows = short.frame.query("quantity == 'gate_mean' and gate == 'forget'")
    assert list(rows["epoch"]) == [0, 1, 4, 5]  # also in epochs shorter than the cadence
