import numpy as np
import pandas as pd
import pytest

from forecast.plots import plot_attribution, plot_gates, plot_memory, save

DAYS = pd.bdate_range("2008-07-01", periods=40)


@pytest.fixture
def gates():
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame(
            {"ds": DAYS, "when": when, "gate": gate, "unit": unit, "value": rng.random(40)}
        )
        for when in ("untrained", "trained")
        for gate in ("input", "forget", "candidate", "output", "cell")
        for unit in range(3)
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def attribution():
    rng = np.random.default_rng(0)
    keys = pd.MultiIndex.from_product(
        [("untrained", "trained"), ("shock", "range"), range(20)],
        names=["when", "feature", "lag_sessions"],
    )
    return pd.DataFrame({"value": rng.random(len(keys))}, index=keys).reset_index()


def test_gates_stand_under_the_price_session_by_session(gates, tmp_path):
    prices = pd.DataFrame({"ds": DAYS, "y": np.linspace(30, 20, 40)})
    figure = plot_gates(prices, gates, "AAPL", low=DAYS[25])
    price, units, means = figure.axes[:3]
    np.testing.assert_allclose(price.get_lines()[0].get_ydata(), prices["y"])
    assert [line.get_xdata()[0] for line in (price.get_lines()[-1], means.get_lines()[-1])] == [
        25,
        25,
    ]
    forget = gates[(gates["gate"] == "forget") & (gates["when"] == "trained")]
    order = forget.groupby("unit")["value"].mean().sort_values().index
    assert [label.get_text() for label in units.get_yticklabels()] == [str(u) for u in order]
    mean = forget.groupby("ds")["value"].mean()
    np.testing.assert_allclose(means.get_lines()[1].get_ydata(), mean)
    assert save(figure, tmp_path / "gates.png").stat().st_size > 10_000


def test_attributions_are_shares_that_add_up_to_all(attribution, tmp_path):
    figure = plot_attribution(attribution, "lstm", "what sets the width")
    heat, total, by_lag, corner = figure.axes
    (bar,) = corner.child_axes
    (mesh,) = heat.collections
    assert mesh.get_array().sum() == pytest.approx(100)
    assert bar.get_xlim() == pytest.approx(mesh.get_clim())
    assert "(%)" in bar.get_xlabel()
    assert sum(bar.get_width() for bar in total.patches) == pytest.approx(100)
    np.testing.assert_allclose(by_lag.get_lines()[-1].get_ydata().sum(), 100)
    assert heat.get_xlim()[0] > heat.get_xlim()[1]  # time runs to the right
    assert save(figure, tmp_path / "attribution.png").stat().st_size > 10_000


def test_memory_by_epoch_is_drawn_for_every_model_also_without_gates(tmp_path):
    rows = [
        (model, 0, epoch, quantity, gate, value)
        for model in ("lstm", "gru")
        for epoch in (0, 1, 3)
        for quantity, gate, value in (("memory_sessions", "", 4.0), ("gate_mean", "forget", 0.7))
        if model == "lstm" or quantity != "gate_mean"
    ]
    columns = ["model", "seed", "epoch", "quantity", "gate", "value"]
    frame = pd.DataFrame(rows, columns=columns)
    figure = plot_memory(frame)
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["lstm", "gru"]
    assert save(figure, tmp_path / "memory.png").stat().st_size > 10_000
    learning, kept = figure.axes[0].get_lines()
    assert (list(learning.get_xdata()), len(kept.get_xdata())) == ([0, 1], 1)
    with pytest.raises(ValueError, match="no memory_sessions in the telemetry"):
        plot_memory(frame[frame["quantity"] == "gate_mean"])


def test_the_kept_weights_are_no_epoch_also_where_seeds_stop_at_different_ones():
    columns = ["model", "seed", "epoch", "quantity", "gate", "value"]
    rows = [
        ("gru", seed, epoch, "memory_sessions", "", 90.0 if epoch == last else 1.0 + epoch)
        for seed, last in ((0, 5), (1, 9))
        for epoch in (*range(0, last, 2), last)
    ]
    (ax, below) = plot_memory(pd.DataFrame(rows, columns=columns)).axes
    drawn = ax.get_lines()
    assert [list(line.get_xdata()) for line in drawn[::2]] == [[0, 2, 4], [0, 2, 4, 6, 8]]
    assert [list(line.get_ydata()) for line in drawn[1::2]] == [[90], [90]]
    assert all(line.get_xdata() > 8 and line.get_linestyle() == "None" for line in drawn[1::2])
    assert [label.get_text() for label in below.get_xticklabels()][-1] == "kept"
