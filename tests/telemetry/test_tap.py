import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.telemetry.tap import GradientTap

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)


def small_model(optimizer, seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)]
    )
    model.compile(optimizer, "mse")
    return model


def gradient_norms(model, x=X, y=Y):
    """Norms of the gradient of every weight, computed by hand."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(tf.constant(x)) - y))
    weights = [variable.value for variable in model.trainable_variables]
    return np.array([np.linalg.norm(g) for g in tape.gradient(loss, weights)])


def tapped_step(model, x=X, y=Y):
    """One training step under a tap; the tap, closed."""
    tap = GradientTap()
    tap.open(model.optimizer, model.trainable_variables)
    model.make_train_function(force=True)
    model.train_on_batch(x, y)
    tap.close()
    return tap


def test_norms_are_those_before_clipping_and_the_update_is_that_after_it():
    model = small_model(keras.optimizers.SGD(0.5, global_clipnorm=1e-3))
    expected = gradient_norms(model)
    before = model.get_weights()
    tap = tapped_step(model)
    (gradient,), (weight, update) = tap.take().gradient, tap.moved()
    whole = np.linalg.norm(expected)
    assert whole > 1e-3  # so that clipping happens
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)
    np.testing.assert_allclose(weight, [np.linalg.norm(w) for w in before], rtol=1e-5)
    np.testing.assert_allclose(update, 0.5 * 1e-3 / whole * expected, rtol=1e-3)
    assert tap.names == [variable.path for variable in model.trainable_variables]


@pytest.mark.parametrize(("factor", "share"), [(1.01, 0.0), (0.99, 1.0), (None, 0.0)])
def test_a_step_counts_as_clipped_when_the_norm_is_above_the_threshold(factor, share):
    whole = np.linalg.norm(gradient_norms(small_model("sgd")))
    clip = None if factor is None else float(whole * factor)
    tap = tapped_step(small_model(keras.optimizers.SGD(global_clipnorm=clip)))
    assert tap.take().clipped.mean() == share
    assert not len(tap.take().clipped)  # taken


def test_every_step_is_taken_also_where_several_are_one_call():
    model = small_model("sgd")
    halves = [np.linalg.norm(gradient_norms(model, X[k : k + 3], Y[k : k + 3])) for k in (0, 3)]
    between = float(np.mean(halves))
    model.compile(keras.optimizers.SGD(1e-9, global_clipnorm=between), "mse", steps_per_execution=2)
    tap = GradientTap(ring=4)
    tap.open(model.optimizer, model.trainable_variables)
    model.fit(X, Y, batch_size=3, shuffle=False, verbose=0)
    taken = tap.take()
    np.testing.assert_array_equal(taken.clipped, np.array(halves) > between)
    np.testing.assert_allclose(taken.whole, halves, rtol=1e-5)


@pytest.mark.parametrize("make", [keras.optimizers.SGD, keras.optimizers.Adam])
def test_a_tap_changes_no_step_and_leaves_the_optimizer_as_it_was(make):
    watched, alone = (small_model(make(0.1, global_clipnorm=0.1)) for _ in range(2))
    before = set(vars(watched.optimizer))
    tapped_step(watched)
    alone.train_on_batch(X, Y)
    for a, b in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert set(vars(watched.optimizer)) - before <= set(vars(alone.optimizer))
    assert watched.optimizer.apply.__func__ is type(watched.optimizer).apply
    assert len(watched.optimizer.variables) == len(alone.optimizer.variables)


def test_a_weight_without_a_gradient_has_norm_zero_and_the_rest_is_measured():
    class Unused(keras.layers.Layer):
        def build(self, shape):
            self.idle = self.add_weight(shape=(2,), name="idle")

        def call(self, x):
            return x

    model = keras.Sequential([keras.Input((3,)), Unused(), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        tap = tapped_step(model)
    gradient = dict(zip(tap.names, tap.take().gradient[0], strict=True))
    idle = next(name for name in gradient if name.endswith("idle"))
    assert gradient.pop(idle) == 0
    assert all(norm > 0 for norm in gradient.values())


def test_closing_what_was_never_opened_does_nothing():
    GradientTap().close()


@pytest.mark.parametrize("limit", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_every_way_of_clipping_is_counted(limit):
    for value, share in ((1e-6, 1.0), (1e6, 0.0)):
        tap = tapped_step(small_model(keras.optimizers.SGD(**{limit: value})))
        assert tap.clips
        assert tap.take().clipped.mean() == share


def test_what_cannot_be_measured_is_named_and_the_step_is_taken(monkeypatch):
    def fail(self, grads):
        raise TypeError("no norms today")

    monkeypatch.setattr(GradientTap, "_measure", fail)
    watched, alone = small_model("sgd"), small_model("sgd")
    tap = tapped_step(watched)
    alone.train_on_batch(X, Y)
    assert tap.failed == "TypeError: no norms today"
    for a, b in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
