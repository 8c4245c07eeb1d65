import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from forecast.plots import color_of, plot_gradient_by_lag, plot_gradient_norms, plot_loss, save


def drawn_in(ax, color):
    return [one for one in ax.get_lines() if one.get_color() == color]


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_losses_are_those_of_the_frame_with_the_best_epoch_marked(make_losses):
    frame = make_losses(["gru"], seeds=2)
    ax = plot_loss(frame)
    for seed, best in ((0, 6), (1, 7)):
        run = frame[frame["seed"] == seed]
        training, validation, mark = ax.get_lines()[3 * seed : 3 * seed + 3]
        np.testing.assert_array_equal(training.get_ydata(), run["loss"])
        np.testing.assert_array_equal(validation.get_ydata(), run["val_loss"])
        assert mark.get_xdata().tolist() == [best]
        assert mark.get_ydata().tolist() == [run["val_loss"].min()]
    assert legend_of(ax) == ["gru"]
    assert "validation loss" in ax.get_title(loc="left")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss (CRPS, in units of volatility)")


def test_the_level_an_untrained_network_has_is_drawn_where_it_is_known(make_losses):
    ax = plot_loss(make_losses(["gru"]), start=0.61)
    assert set(ax.get_lines()[-1].get_ydata()) == {0.61}
    assert legend_of(ax)[-1] == "EWMA-t, where it starts (validation)"


def test_curves_that_coincide_are_drawn_narrower_and_narrower(make_losses):
    ax = plot_loss(make_losses(["lstm", "keras-lstm"]))
    ours, keras = ax.get_lines()[1], ax.get_lines()[4]
    assert ours.get_color() == color_of("lstm")
    assert ours.get_linewidth() > keras.get_linewidth() > 1
    assert ours.get_linestyle() != keras.get_linestyle()


def test_a_run_of_nothing_but_nan_has_no_best_epoch(make_losses, tmp_path):
    frame = make_losses(["lstm", "gru"])
    frame.loc[frame["model"] == "gru", ["loss", "val_loss"]] = np.nan
    ax = plot_loss(frame)
    save(ax, tmp_path / "loss.png")
    assert not np.isfinite(ax.get_lines()[-1].get_ydata().astype(float)).any()


def test_global_norms_are_those_of_the_frame_with_running_mean_and_threshold(make_telemetry):
    frame = make_telemetry(["lstm"])
    figure = plot_gradient_norms(frame, clip_norm=1.5)
    whole, layers = figure.axes
    raw, mean, threshold = whole.get_lines()
    norm = frame.loc[frame["quantity"] == "global_norm", "value"].to_numpy()
    np.testing.assert_array_equal(raw.get_ydata(), norm)
    slow = [norm[max(0, k - 2) : k + 1].mean() for k in range(len(norm))]
    np.testing.assert_allclose(mean.get_ydata(), slow)
    assert mean.get_color() == color_of("lstm")
    assert set(threshold.get_ydata()) == {1.5}
    assert legend_of(whole) == ["lstm, 20 % of steps clipped", "clipped above 1.5"]
    assert legend_of(layers) == ["lstm/kernel", "lstm/bias", "quantiles/kernel"]
    np.testing.assert_allclose(layers.get_lines()[0].get_ydata(), np.array(slow) / 2)
    assert whole.get_ylabel() == "global L2 norm"
    assert layers.get_xlabel() == "optimizer step"
    assert layers.get_title(loc="left") == "lstm: per layer, running mean"


def test_a_model_whose_gradient_vanished_is_said_so_beside_the_others(make_telemetry, tmp_path):
    frame = make_telemetry(["lstm", "gru"])
    frame.loc[(frame["model"] == "gru") & frame["quantity"].ne("clipped_share"), "value"] = 0.0
    figure = plot_gradient_norms(frame)
    save(figure, tmp_path / "norms.png")
    assert "gru: zero or not finite throughout" in legend_of(figure.axes[0])


def test_gradient_by_lag_starts_at_one_and_shows_first_and_last_epoch(make_telemetry):
    ax = plot_gradient_by_lag(make_telemetry(["gru"]))
    before, after = ax.get_lines()
    lag = np.arange(80)
    np.testing.assert_array_equal(after.get_xdata(), lag)
    np.testing.assert_allclose(before.get_ydata(), 0.5**lag)
    np.testing.assert_allclose(after.get_ydata(), 0.9**lag)
    assert (before.get_linestyle(), after.get_linestyle()) == ("--", "-")
    assert after.get_color() == color_of("gru")
    assert sum(to_rgb(before.get_color())) > sum(to_rgb(after.get_color()))
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "lag (sessions before the loss)"
    assert legend_of(ax)[0] == "gru: ρ = 0.900, memory 9.5 sessions"


def test_the_axis_ends_where_float32_cannot_add_the_gradient_any_more(make_telemetry):
    ax = plot_gradient_by_lag(make_telemetry())
    assert ax.get_ylim() == pytest.approx((5e-9, 2))


def test_markers_of_curves_that_coincide_take_turns(make_telemetry):
    ax = plot_gradient_by_lag(make_telemetry(["lstm", "keras-lstm"]))
    starts = {one.get_markevery()[0] for one in ax.get_lines() if one.get_markevery()}
    assert len(starts) == 2


def test_layers_of_one_model_have_a_curve_each(make_telemetry):
    frame = make_telemetry(["lstm"])
    both = pd.concat([frame, frame.assign(layer="second")])
    labels = legend_of(plot_gradient_by_lag(both))
    assert labels[0].startswith("lstm, lstm: ρ")
    assert labels[1].startswith("lstm, second: ρ")


def test_a_gradient_that_does_not_decay_has_no_memory_horizon(make_telemetry):
    frame = make_telemetry(["gru"])
    frame.loc[frame["quantity"] == "gradient_decay", "value"] = 1.02
    frame.loc[frame["quantity"] == "memory_sessions", "value"] = np.inf
    assert legend_of(plot_gradient_by_lag(frame))[0] == "gru: ρ = 1.020, does not decay"


def test_the_memory_of_an_lstm_is_its_cell_state(make_telemetry):
    frame = make_telemetry(["lstm"])
    states = frame["quantity"] == "state_gradient_norm"
    cells = frame[states].assign(quantity="cell_gradient_norm", value=lambda f: f["value"] ** 0.5)
    after = plot_gradient_by_lag(pd.concat([frame, cells])).get_lines()[-1]
    np.testing.assert_allclose(after.get_ydata(), 0.95 ** (np.arange(80) / 2))


def test_without_a_fitted_decay_the_legend_names_the_model_alone(make_telemetry):
    frame = make_telemetry(["gru"])
    frame.loc[frame["quantity"] == "gradient_decay", "value"] = np.nan
    assert legend_of(plot_gradient_by_lag(frame))[0] == "gru"


def test_telemetry_without_the_quantity_is_refused_with_what_there_is(make_telemetry):
    frame = make_telemetry(["lstm"])
    with pytest.raises(ValueError, match=r"no value of 'global_norm' .* are: norm"):
        plot_gradient_norms(frame[frame["quantity"] == "norm"])
    with pytest.raises(ValueError, match="no value of 'state_gradient_norm'"):
        plot_gradient_by_lag(frame[frame["quantity"] == "norm"])
    with pytest.raises(ValueError, match="every gradient is zero or not finite"):
        plot_gradient_by_lag(frame.assign(value=0.0))


@pytest.mark.parametrize("plot", [plot_loss, plot_gradient_norms, plot_gradient_by_lag])
def test_empty_frames_are_refused_with_what_is_missing(plot, make_losses, make_telemetry):
    frame = make_losses() if plot is plot_loss else make_telemetry()
    with pytest.raises(ValueError, match=f"{plot.__name__} got a frame without rows"):
        plot(frame[:0])
    with pytest.raises(ValueError, match=f"{plot.__name__} needs the columns .* missing: model"):
        plot(frame.drop(columns="model"))


def test_six_models_with_strange_names_and_the_same_colour_everywhere(
    make_losses, make_telemetry, tmp_path
):
    models = ["lstm", "keras-lstm", "gru", "simple-rnn", "$^x_{ $", "<script>"]
    loss = plot_loss(make_losses(models))
    lag = plot_gradient_by_lag(make_telemetry(models))
    norms = plot_gradient_norms(make_telemetry(models))
    for number, figure in enumerate((loss, lag, norms)):
        save(figure, tmp_path / f"{number}.png")
    for model in models:
        for ax in (loss, lag, norms.axes[0]):
            assert drawn_in(ax, color_of(model)), model
