import keras
import numpy as np
import pytest

from forecast.layers import LSTM, LSTMCell, Monitor
from forecast.studies.adjoints import chain, state_gradients
from forecast.studies.learning import network, recurrent
from forecast.studies.tasks import adding


@pytest.fixture
def batch():
    return adding(np.random.default_rng(0), 4, 7)


def random_weights(model):
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(scale=0.5, size=w.shape) for w in model.get_weights()])


def test_gradients_at_the_states_are_those_the_fused_backward_pass_shows(batch):
    layer = LSTM(3, name="recurrent")
    monitor = Monitor()
    layer.attach(monitor)
    model = network(layer, keras.layers.Dense(1), batch)
    random_weights(model)
    model.compile(keras.optimizers.SGD(0.0), loss="mse", jit_compile=False)
    model.train_on_batch(*batch)
    seen = monitor.read()
    gradients = state_gradients(model, *batch)
    np.testing.assert_allclose(gradients["h"], seen.h_gradient, rtol=1e-4)
    np.testing.assert_allclose(gradients["c"], seen.c_gradient, rtol=1e-4)


def test_gradients_of_a_simple_rnn_are_products_of_its_jacobians(batch):
    model = network(recurrent("simple-rnn", 3, 0), keras.layers.Dense(1), batch)
    random_weights(model)
    model.compile(loss="mse")
    kernel, recurrent_kernel, bias, dense, offset = model.get_weights()
    h, rows = np.zeros((4, 3)), []
    for t in range(7):
        h = np.tanh(batch.x[:, t] @ kernel + h @ recurrent_kernel + bias)
        rows.append(h)
    back = 2 / 4 * (h @ dense + offset - batch.y) @ dense.T
    norms = []
    for h in reversed(rows):
        norms.append(np.linalg.norm(back))
        back = (back * (1 - h**2)) @ recurrent_kernel.T
    np.testing.assert_allclose(state_gradients(model, *batch)["h"][::-1], norms, rtol=1e-4)


@pytest.mark.parametrize("ablation", [None, "no_forget_gate"])
def test_the_formula_of_the_chain_is_what_automatic_differentiation_finds(ablation, batch):
    cell = LSTMCell(3, ablation=ablation)
    cell.build((None, 2))
    random_weights(cell)
    back = chain(cell, batch.x, np.random.default_rng(2))
    assert back.deviation < 1e-12
    np.testing.assert_allclose(back.measured[:2], back.textbook[:2], rtol=1e-12)
    assert back.measured[0] == pytest.approx(1)
    assert not np.allclose(back.measured[2:], back.textbook[2:], rtol=1e-3)


def test_along_the_forget_gates_alone_a_gradient_falls_by_their_value(batch):
    cell = LSTMCell(3)
    cell.build((None, 2))
    kernel, recurrent_kernel, bias = (np.zeros(w.shape) for w in cell.get_weights())
    bias[3:6] = 1.0
    cell.set_weights([kernel, recurrent_kernel, bias])
    back = chain(cell, batch.x, np.random.default_rng(2))
    sigma = 1 / (1 + np.exp(-1))
    for norms in (back.measured, back.textbook, back.carousel):
        np.testing.assert_allclose(norms, sigma ** np.arange(7), rtol=1e-6)
