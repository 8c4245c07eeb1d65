"""Exported networks by ONNX Runtime beside the networks they were made of."""

import resource
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from forecast.errors import InputError
from forecast.evaluation.backtest import make_cutoffs, walk_forward
from forecast.models import onnx as runtime
from forecast.models.network import build_network
from forecast.models.onnx import OnnxForecaster
from forecast.settings import Settings
from forecast.training import Ensemble, NeuralForecaster
from forecast.training.exporting import export
from forecast.training.preparing import feature_statistics
from forecast.windows import build_windows

SETTINGS = Settings(lookback=16, horizon=7, cell=("lstm",), units=3)
HORIZONS = (1, 2, 4, 7)
#: A graph that looks like a network's and takes sines of sines 2^62 times.
SPIN = """<ir_version: 8, opset_import: ["": 15]>
spin (float[N, 16, 13] features, float[N] volatility) => (float[N, 2, 12, 5, 4] parameters)
<int64 times = {4611686018427387904}, bool yes = {1}, int64[5] out = {1, 2, 12, 5, 4}> {
    sines = Loop <body = turn (int64 k, bool on, float[N] was) => (bool still, float[N] now) {
        still = Identity (on)
        now = Sin (was)
    }> (times, yes, volatility)
    sum = ReduceSum <keepdims = 0> (sines)
    parameters = Expand (sum, out)
}"""


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=300, seed=3, holes=2, late=262)


def network(panel, cell="lstm", seed=0):
    """A network whose weights are far from their start."""
    model = NeuralForecaster(SETTINGS, cell, seed)
    statistics = feature_statistics(build_windows(panel, SETTINGS), 200)
    model.network_ = build_network(SETTINGS, cell, statistics, seed)
    rng = np.random.default_rng(seed)
    for weight in model.network_.trainable_weights:
        weight.assign(rng.normal(0, 0.4, weight.shape))
    model.market_ = tuple(panel.tickers[:2])
    return model


@pytest.fixture(scope="module")
def ensemble(panel):
    return Ensemble([network(panel, seed=1), network(panel, seed=2)])


@pytest.fixture(scope="module")
def exported(ensemble, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "lstm.onnx"
    export(ensemble, path, "onnx")
    return path


@pytest.fixture(scope="module")
def cutoffs(panel):
    """Every session of the last fifty; one ticker is listed too late for the first of them."""
    return make_cutoffs(panel, panel.sessions[-50])


def open_exported(path, panel, settings=SETTINGS):
    return OnnxForecaster(path, settings, panel.tickers[:2])


def test_an_ensemble_gives_the_same_quantiles_from_every_cutoff(panel, ensemble, exported, cutoffs):
    expected = ensemble.forecast(panel, cutoffs, HORIZONS)
    found = open_exported(exported, panel).forecast(panel, cutoffs, HORIZONS)
    assert np.ptp(expected[:, -1, 50][np.isfinite(expected[:, -1, 50])]) > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


def test_a_ticker_with_little_history_is_forecast_from_where_the_network_can(
    panel, ensemble, exported, cutoffs
):
    late = cutoffs[cutoffs["unique_id"] == panel.tickers[-1]]
    expected = ensemble.forecast(panel, late, HORIZONS)
    found = open_exported(exported, panel).forecast(panel, late, HORIZONS)
    blind = np.isnan(expected).all(axis=(1, 2))
    assert 0 < blind.sum() < len(late)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


@pytest.mark.parametrize("cell", ["keras-lstm", "gru", "simple-rnn"])
def test_every_recurrent_layer_gives_the_same_quantiles(panel, cutoffs, cell, tmp_path):
    model = network(panel, cell)
    export(model, tmp_path / "cell.onnx", "onnx")
    chosen = SETTINGS.model_copy(update={"cell": (cell,)})
    found = open_exported(tmp_path / "cell.onnx", panel, chosen)
    assert found.name == cell
    levels = np.array([0.05, 0.5, 0.95])
    np.testing.assert_allclose(
        found.forecast(panel, cutoffs, (1, 7), levels),
        model.forecast(panel, cutoffs, (1, 7), levels),
        atol=1e-5,
        rtol=1e-5,
    )


def test_a_damaged_file_is_told(exported, panel, tmp_path):
    for content in (b"", b"rubbish", exported.read_bytes()[:-5000]):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(InputError, match=r"bad.onnx does not load .* forecast export"):
            open_exported(tmp_path / "bad.onnx", panel)


def test_a_file_larger_than_any_network_is_not_read(exported, panel, monkeypatch):
    monkeypatch.setattr(runtime, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match=r"lstm.onnx is larger than 1,000 bytes: do not trust it"):
        open_exported(exported, panel)


def test_weights_in_another_file_are_not_read(exported, panel, tmp_path, monkeypatch):
    model = onnx.load(exported)
    onnx.save(model, tmp_path / "apart.onnx", save_as_external_data=True, size_threshold=0)
    beside = {path.name for path in tmp_path.iterdir()} - {"apart.onnx"}
    assert beside
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"apart.onnx does not load"):
        open_exported(tmp_path / "apart.onnx", panel)


def test_an_operation_that_onnx_does_not_have_is_refused(panel, tmp_path):
    x = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 16, 13])
    y = helper.make_tensor_value_info("parameters", TensorProto.FLOAT, None)
    node = helper.make_node("Launch", ["features"], ["parameters"], domain="stranger")
    imports = [helper.make_opsetid("", 15), helper.make_opsetid("stranger", 1)]
    graph = helper.make_graph([node], "graph", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), tmp_path / "odd.onnx")
    with pytest.raises(InputError, match=r"odd.onnx does not load \(.*Launch"):
        open_exported(tmp_path / "odd.onnx", panel)


@pytest.mark.parametrize("times", ["big", "volatility"])
def test_a_graph_that_wants_all_memory_is_refused_before_it_has_it(panel, cutoffs, tmp_path, times):
    x = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 16, 13])
    v = helper.make_tensor_value_info("volatility", TensorProto.FLOAT, ["N"])
    y = helper.make_tensor_value_info("parameters", TensorProto.FLOAT, ["N", 2, 12, 5, 4])
    one = helper.make_tensor("value", TensorProto.FLOAT, [1], [1.0])
    constants = [
        helper.make_tensor("big", TensorProto.INT64, [1], [10**9]),  # 4 GB
        helper.make_tensor("out", TensorProto.INT64, [5], [1, 2, 12, 5, 4]),
    ]
    nodes = [
        helper.make_node("Shape", [times], ["s"]),  # of what is fed, or of a constant
        helper.make_node("Mul", ["s", "big"], ["many"]),
        helper.make_node("ConstantOfShape", ["many"], ["all"], value=one),
        helper.make_node("ReduceSum", ["all"], ["sum"], keepdims=0),
        helper.make_node("Expand", ["sum", "out"], ["parameters"]),
    ]
    graph = helper.make_graph(nodes, "graph", [x, v], [y], initializer=constants)
    imports = [helper.make_opsetid("", 15)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), tmp_path / "hog.onnx")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = open_exported(tmp_path / "hog.onnx", panel)
    with pytest.raises(InputError, match=r"hog.onnx does not run \(.*memory.*do not trust it"):
        model.forecast(panel, cutoffs, HORIZONS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10**6  # kB


def test_a_graph_that_never_ends_is_stopped(panel, cutoffs, tmp_path, monkeypatch):
    onnx.save(onnx.parser.parse_model(SPIN), tmp_path / "spin.onnx")
    monkeypatch.setattr(runtime, "MOST_SECONDS", 0.3)
    model = open_exported(tmp_path / "spin.onnx", panel)
    with pytest.raises(InputError, match=r"spin.onnx does not run \(not done in 0.3 s\): do not"):
        model.forecast(panel, cutoffs, HORIZONS)


def test_the_file_of_another_network_is_told_with_what_was_expected(exported, panel):
    other = SETTINGS.model_copy(update={"lookback": 24})
    with pytest.raises(InputError, match=r"expected features \(N, 24, F\).* another network"):
        open_exported(exported, panel, other)


def test_prices_without_the_features_it_was_trained_on_are_told(exported, panel, cutoffs):
    model = open_exported(exported, panel)
    with pytest.raises(InputError, match="read 13 features, and these prices give 12"):
        model.forecast(panel.closes(), cutoffs, HORIZONS)


def test_without_onnx_runtime_one_is_told_how_to_get_it(exported, panel, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match="pip install onnxruntime, or take --runtime tensorflow"):
        open_exported(exported, panel)


def test_it_walks_forward_beside_the_others(exported, panel, cutoffs):
    known = cutoffs[cutoffs["unique_id"] == panel.tickers[0]]
    backtest = walk_forward({"lstm": open_exported(exported, panel)}, panel, known, (1, 7))
    assert backtest.quantiles["lstm"].shape == (len(known), 2, 99)
