import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from forecast.plots import color_of, plot_fan, plot_fans, save


def line(ax, label):
    (found,) = (one for one in ax.get_lines() if one.get_label() == label)
    return found


def legend_of(holder):
    return [text.get_text() for text in holder.get_texts()]


def test_a_fan_shows_the_past_the_median_and_what_then_happened(history, make_forecast):
    frame = make_forecast([200])
    ax = plot_fan(history, frame, "lstm", unit="USD, adjusted")
    past = history[:201].tail(120)
    np.testing.assert_array_equal(line(ax, "history").get_ydata(), past["y"])
    np.testing.assert_array_equal(line(ax, "history").get_xdata(), past["ds"])
    np.testing.assert_array_equal(line(ax, "median").get_ydata()[1:], frame["lstm"])
    np.testing.assert_array_equal(line(ax, "what then happened").get_ydata(), frame["y"])
    assert line(ax, "median").get_color() == color_of("lstm")
    assert ax.get_title(loc="left").startswith("AAPL: lstm, forecast of 2011-10-10")
    assert ax.get_ylabel() == "price (USD, adjusted)"
    assert ax.get_xlabel() == "session"


def test_a_fan_never_shows_history_after_the_cutoff(history, make_forecast):
    changed = history.assign(y=history["y"].where(history.index <= 200, 1e6))
    ax = plot_fan(changed, make_forecast([200], known=False), "lstm")
    assert max(max(one.get_ydata()) for one in ax.get_lines()) < 1e4


def test_bands_are_nested_open_at_the_cutoff_and_equal_the_frame(history, make_forecast):
    frame = make_forecast([200])
    ax = plot_fan(history, frame, "lstm")
    bands = [one for one in ax.collections if isinstance(one, PolyCollection)]
    assert [band.get_label() for band in bands] == [f"{w} % band" for w in (98, 90, 80, 50)]
    for band, width in zip(bands, (98, 90, 80, 50), strict=True):
        corners = band.get_paths()[0].vertices
        last = corners[corners[:, 0] == date2num(frame["ds"].iloc[-1])][:, 1]
        assert last.min() == frame[f"lstm-lo-{width}"].iloc[-1]
        assert last.max() == frame[f"lstm-hi-{width}"].iloc[-1]
        opening = corners[corners[:, 0] == date2num(frame["cutoff"].iloc[0])][:, 1]
        assert set(opening) == {history["y"][200]}
    lightness = [band.get_facecolor()[0][:3].sum() for band in bands]
    assert lightness == sorted(lightness, reverse=True)


def test_a_fan_of_the_future_has_no_outcome_and_says_how_far_it_reaches(history, make_forecast):
    ax = plot_fan(history, make_forecast([299], known=False), "lstm")
    assert "what then happened" not in legend_of(ax.get_legend())
    assert ax.get_title(loc="left").endswith("forecast for 20 sessions after 2012-02-24")


def test_a_fan_without_the_98_per_cent_band_draws_the_others(history, make_forecast):
    frame = make_forecast([200]).drop(columns=["lstm-lo-98", "lstm-hi-98"])
    labels = legend_of(plot_fan(history, frame, "lstm").get_legend())
    assert "98 % band" not in labels
    assert "90 % band" in labels


def test_a_fan_is_drawn_on_the_axes_given(history, make_forecast):
    ax = Figure().add_subplot()
    assert plot_fan(history, make_forecast([200]), "lstm", ax=ax) is ax


def test_holes_in_history_and_forecast_stay_holes(history, make_forecast, tmp_path):
    history.loc[150:160, "y"] = np.nan
    frame = make_forecast([200])
    frame.loc[3:5, ["lstm", "lstm-lo-90", "y"]] = np.nan
    ax = plot_fan(history, frame, "lstm")
    save(ax, tmp_path / "holes.png")
    assert np.isnan(line(ax, "median").get_ydata()).sum() == 3
    assert np.isnan(line(ax, "history").get_ydata()).sum() == 11


def test_strange_names_do_not_break_a_fan(history, make_forecast, tmp_path):
    for ticker in ("<script>", "$^x_{", "US$ $^x_{"):
        frame = make_forecast([200], model="$a$", unique_id=ticker, horizons=(1, 5, 20))
        ax = plot_fan(history, frame, "$a$", unit="$")
        save(ax, tmp_path / "strange.png")
        assert ax.get_title(loc="left").replace(r"\$", "$").startswith(f"{ticker}: $a$,")


def test_fans_show_evenly_spaced_cutoffs_with_what_then_happened(history, make_forecast):
    frame = pd.concat([make_forecast(range(100, 280, 20)), make_forecast([299], known=False)])
    figure = plot_fans(history, frame, "lstm", count=4)
    days = [f"from {history['ds'][place]:%Y-%m-%d}" for place in (100, 160, 200, 260)]
    assert [ax.get_title(loc="left") for ax in figure.axes] == days
    assert figure.get_suptitle() == "AAPL: lstm, past forecasts and what then happened"
    (legend,) = figure.legends
    assert legend_of(legend).count("median") == 1
    assert {to_hex(line(ax, "median").get_color()).upper() for ax in figure.axes} == {
        color_of("lstm")
    }
    assert figure.axes[0].get_ylabel() == "price (USD, adjusted)"


def test_three_fans_leave_no_empty_panel(history, make_forecast):
    assert len(plot_fans(history, make_forecast([100, 150, 200]), "lstm").axes) == 3


def test_frames_that_cannot_be_drawn_are_refused_with_the_reason(history, make_forecast):
    frame = make_forecast([200])
    two = make_forecast([200, 210])
    with pytest.raises(ValueError, match="has 2 pairs of unique_id and cutoff"):
        plot_fan(history, two, "lstm")
    with pytest.raises(ValueError, match=r"a fan chart needs the columns .* missing: gru"):
        plot_fan(history, frame, "gru")
    with pytest.raises(ValueError, match="a fan chart got a frame without rows"):
        plot_fan(history, frame[:0], "lstm")
    with pytest.raises(ValueError, match="history of a fan chart got a frame without rows"):
        plot_fan(history[:0], frame, "lstm")
    with pytest.raises(ValueError, match="lstm has no forecast in this frame"):
        plot_fan(history, frame.assign(lstm=np.nan), "lstm")
    with pytest.raises(ValueError, match="no row has a known y"):
        plot_fans(history, frame.assign(y=np.nan), "lstm")
    with pytest.raises(ValueError, match="plot_fans draws one ticker; the forecast frame has 2"):
        plot_fans(history, pd.concat([frame, frame.assign(unique_id="IBM")]), "lstm")
