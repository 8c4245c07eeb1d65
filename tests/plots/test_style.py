import itertools
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from forecast import plots
from forecast.plots.style import _KNOWN, OBSERVED, look_of, new_axes, plain, shade

# Machado, Oliveira and Fernandes (2009), severity 1: linear RGB as a dichromat sees it.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
STRANGE = ["<script>", "$^x_{", "$a$ $b$", "_hidden", "US$", r"\frac{", "a\nb\tc", "x" * 200]


def lab(color, sight):
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(sight) @ linear, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_of_known_models_stay_apart_for_colour_blind_readers(sight):
    seen = {model: lab(look_of(model)["color"], SIGHT[sight]) for model in _KNOWN}
    seen["what was observed"] = lab(OBSERVED, SIGHT[sight])
    distance = {
        pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]])
        for pair in itertools.combinations(seen, 2)
    }
    closest = min(distance, key=distance.get)
    assert distance[closest] > 12, closest  # ΔE*ab; about 2 is just noticeable


def test_known_models_differ_by_marker_so_that_figures_read_in_grey():
    assert len({look_of(model)["marker"] for model in _KNOWN}) == len(_KNOWN)


def test_an_unknown_model_keeps_its_colour_in_another_process():
    code = "from forecast.plots import color_of; print(color_of('my-model'))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert plots.color_of("my-model") == other
    assert plots.color_of("my-model") not in {look_of(model)["color"] for model in _KNOWN}


def test_importing_the_package_loads_no_matplotlib_and_using_it_no_pyplot_or_tensorflow():
    code = """
import sys, forecast.plots
heavy = {"matplotlib", "pandas", "numpy"} & set(sys.modules)
assert not heavy, heavy
for name in forecast.plots.__all__:
    assert callable(getattr(forecast.plots, name))
heavy = {"matplotlib.pyplot", "tensorflow", "keras", "sklearn"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="plot_nothing"):
        plots.plot_nothing  # noqa: B018


@pytest.mark.parametrize("name", STRANGE)
def test_strange_names_are_drawn_as_they_stand(name, tmp_path):
    ax = new_axes()
    ax.set_title(plain(name) + plain("$x$"))
    ax.plot([1, 2], label=plain(name))
    legend = ax.legend()
    plots.save(ax, tmp_path / "strange.png")
    assert len(legend.get_texts()) == 1
    for text in (ax.title, legend.get_texts()[0]):
        drawn, is_math = text._preprocess_math(text.get_text())
        assert is_math is False
        assert "\n" not in drawn
        assert len(drawn) <= 45
        assert "\\$" not in drawn


def test_shades_are_opaque_and_end_at_white_and_at_the_colour():
    assert shade("#0072B2", 0) == (1, 1, 1)
    assert shade("#0072B2", 1) == pytest.approx(to_rgb("#0072B2"))


def test_saving_the_same_data_twice_gives_the_same_bytes(tmp_path, history, make_forecast):
    paths = [
        plots.save(plots.plot_fan(history, make_forecast([200]), "lstm"), tmp_path / f"{n}.png")
        for n in range(2)
    ]
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert first.startswith(b"\x89PNG")
    assert b"Software" not in first


def test_a_failed_save_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    path = tmp_path / "plot.png"
    path.write_bytes(b"old")

    def fail(figure, where, **options):
        where.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        plots.save(new_axes(), path)
    assert [p.name for p in tmp_path.iterdir()] == ["plot.png"]
    assert path.read_bytes() == b"old"


def test_axes_without_a_figure_cannot_be_saved(tmp_path):
    ax = new_axes()
    ax.remove()
    with pytest.raises(ValueError, match="nothing to save"):
        plots.save(ax, tmp_path / "plot.png")
