import numpy as np
import pytest

from forecast.plots import color_of, plot_pit, plot_reliability, plot_skill, save
from forecast.plots.scores import pit_density

SIX = ("lstm", "keras-lstm", "gru", "simple-rnn", "$^x_{ $", "<script>")


def lines_of(ax, model):
    return [one for one in ax.get_lines() if one.get_color() == color_of(model)]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_reliability_has_a_panel_per_horizon_with_diagonal_and_the_shares_of_the_frame(
    make_calibration,
):
    frame = make_calibration()
    figure = plot_reliability(frame)
    curves, distances = figure.axes[:3], figure.axes[3:]
    titles = ["1 session ahead", "5 sessions ahead", "20 sessions ahead"]
    assert [ax.get_title(loc="left") for ax in curves] == titles
    rows = frame[(frame["model"] == "ewma-t") & (frame["h"] == 5)]
    (curve,), (distance,) = lines_of(curves[1], "ewma-t"), lines_of(distances[1], "ewma-t")
    np.testing.assert_allclose(curve.get_ydata(), 100 * rows["observed"])
    np.testing.assert_allclose(distance.get_ydata(), 100 * (rows["observed"] - rows["level"]))
    assert curves[1].get_lines()[0].get_xydata().tolist() == [[0, 0], [100, 100]]
    assert curves[0].get_ylabel() == "outcomes below it (%)"
    assert distances[0].get_xlabel() == "quantile level (%)"
    assert legend_of(figure) == ["lstm", "ewma-t"]


def test_skill_is_in_per_cent_and_filled_only_when_it_is_told_apart(make_skill):
    frame = make_skill(["gru"])
    figure = plot_skill(frame)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "against history-250",
        "against ewma-t",
    ]
    for ax in figure.axes:
        better, unclear, worse = lines_of(ax, "gru")
        skill = [one.get_ydata()[0] for one in (better, unclear, worse)]
        assert skill == pytest.approx([1.0, 0.0, -1.0])
        assert better.get_markerfacecolor() == worse.get_markerfacecolor() == color_of("gru")
        assert unclear.get_markerfacecolor() == "white"
        assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "5", "20"]
        assert ax.get_xlabel() == "horizon (sessions)"
        assert not ax.collections
    assert figure.axes[0].get_ylabel() == "CRPS skill (%)"


def test_intervals_of_the_skill_become_error_bars(make_skill):
    frame = make_skill(["gru"], ["ewma-t"])
    frame["ci_low"], frame["ci_high"] = frame["crps_skill"] - 0.02, frame["crps_skill"] + 0.03
    frame.loc[2, "ci_low"] = np.nan
    (ax,) = plot_skill(frame).axes
    bars = [bar.get_segments()[0][:, 1].tolist() for bar in ax.collections]
    assert bars == [pytest.approx([-1, 4]), pytest.approx([-2, 3])]


def test_models_stand_side_by_side_at_each_horizon(make_skill):
    (ax,) = plot_skill(make_skill(baselines=["ewma-t"])).axes
    places = [one.get_xdata()[0] for one in ax.get_lines() if one.get_marker() != "None"]
    assert len({round(place, 6) for place in places}) == 12
    assert sorted(np.round(places).astype(int).tolist()) == [0] * 4 + [1] * 4 + [2] * 4


def test_a_model_is_not_compared_with_itself(make_skill):
    frame = make_skill(["lstm", "ewma-t"], ["ewma-t"])
    (ax,) = plot_skill(frame).axes
    assert not lines_of(ax, "ewma-t")
    with pytest.raises(ValueError, match="not its own baseline"):
        plot_skill(frame[frame["model"] == "ewma-t"])


def test_pit_density_equals_the_histogram_of_the_outcomes():
    pit = np.random.default_rng(0).beta(2, 1, 5000)
    level = np.round(np.arange(1, 100) / 100, 2)
    observed = np.array([(pit <= one).mean() for one in level])
    edges, density = pit_density(level, observed)
    expected, bins = np.histogram(pit, bins=np.arange(11) / 10, density=True)
    np.testing.assert_allclose(edges, bins)
    np.testing.assert_allclose(density, expected)


def test_pit_bins_lie_between_the_levels_when_tenths_are_missing():
    edges, density = pit_density(np.array([0.75, 0.25, 0.5]), np.array([0.8, 0.4, np.nan]))
    np.testing.assert_allclose(edges, [0, 0.25, 0.75, 1])
    np.testing.assert_allclose(density, [1.6, 0.8, 0.8])


def test_pit_has_a_histogram_per_model_and_horizon(make_calibration):
    figure = plot_pit(make_calibration())
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["lstm", "", "", "ewma-t", "", ""]
    assert [ax.get_title(loc="right") for ax in figure.axes][1:4] == [
        "5 sessions ahead",
        "20 sessions ahead",
        "",
    ]
    assert not figure.legends
    np.testing.assert_allclose(figure.axes[0].patches[0].get_data().values, 1)
    assert figure.axes[0].get_ylabel() == "density"
    assert figure.axes[-1].get_xlabel() == "PIT (quantile level)"


def test_what_was_observed_after_the_adjustment_is_drawn_on_top(make_calibration):
    frame = make_calibration(horizons=(1,))
    adjusted = (frame["level"] ** 2).where(frame["model"] == "lstm")
    figure = plot_pit(frame.assign(observed_conformal=adjusted))
    assert [len(ax.patches) for ax in figure.axes] == [2, 1]
    after = figure.axes[0].patches[1].get_data()
    np.testing.assert_allclose(after.values, 10 * np.diff(after.edges**2))
    assert legend_of(figure) == ["as forecast", "after the conformal adjustment"]


def test_a_model_without_outcomes_has_an_empty_panel(make_calibration, tmp_path):
    frame = make_calibration(horizons=(1,))
    frame.loc[frame["model"] == "ewma-t", "observed"] = np.nan
    pit = plot_pit(frame)
    assert [len(ax.patches) for ax in pit.axes] == [1, 0]
    save(pit, tmp_path / "pit.png")
    save(plot_reliability(frame), tmp_path / "reliability.png")


def test_one_and_six_models_one_horizon_and_strange_names_can_be_saved(
    make_calibration, make_skill, tmp_path
):
    for models in (("lstm",), SIX):
        calibration = make_calibration(models, horizons=(5,))
        skill = make_skill(models, ["ewma-t"], horizons=(5,))
        for number, figure in enumerate(
            (plot_reliability(calibration), plot_pit(calibration), plot_skill(skill))
        ):
            assert save(figure, tmp_path / f"{number}.png").stat().st_size > 5_000
        for model in models:
            assert lines_of(plot_reliability(calibration).axes[0], model)
            assert lines_of(plot_skill(skill).axes[0], model)


@pytest.mark.parametrize("plot", [plot_reliability, plot_pit, plot_skill])
def test_empty_frames_are_refused_with_what_is_missing(plot, make_calibration, make_skill):
    frame = make_skill() if plot is plot_skill else make_calibration()
    with pytest.raises(ValueError, match=f"{plot.__name__} got a frame without rows"):
        plot(frame[:0])
    with pytest.raises(ValueError, match=f"{plot.__name__} needs the columns .* missing: h"):
        plot(frame.drop(columns="h"))
