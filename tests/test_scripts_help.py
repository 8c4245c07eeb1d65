import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
#: Prints, after the command is done, which of the slow libraries were imported for it.
ASK = """
import runpy, sys
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    slow = ("tensorflow", "keras", "matplotlib", "statsmodels", "sklearn", "yfinance", "bokeh")
    print("imported:", *[name for name in slow if name in sys.modules])
"""


def asked(script, *arguments):
    """What a script prints, and the slow libraries it imported."""
    code = f"import sys; sys.argv = {[str(SCRIPTS / script), *arguments]!r}\n{ASK}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    text, _, imported = done.stdout.rpartition("imported:")
    return done.returncode, text, imported.split()


@pytest.mark.parametrize(
    "script", ["train.py", "evaluate.py", "predict.py", "report.py", "study.py", "explain.py"]
)
def test_the_help_of_a_command_starts_without_any_slow_library(script):
    code, text, imported = asked(script, "--help")
    assert code == 0
    assert imported == []
    assert "--runs-dir" in text


def test_the_studies_are_listed_without_tensorflow():
    from forecast.studies import NAMES

    code, text, imported = asked("study.py", "--list")
    assert code == 0
    assert not {"tensorflow", "keras"} & set(imported)
    assert [line.split()[0] for line in text.splitlines()] == list(NAMES)


def test_the_help_names_every_setting_with_its_values_and_defaults():
    from forecast.settings import Settings

    _, text, _ = asked("train.py", "--help")
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in text
    assert "simple-rnn" in text


def test_bad_prices_are_told_before_tensorflow_starts():
    code, _, imported = asked("train.py", "--tickers", "NONE")
    assert code == 2
    assert "tensorflow" not in imported


def test_the_package_and_its_data_can_be_used_without_tensorflow():
    code = """
import sys
import forecast
from forecast import Settings, load_prices, window_arrays
from forecast.models.baselines import BASELINES
panel, _ = load_prices(Settings(tickers=("AAPL",)))
arrays = window_arrays(panel, Settings(), "validation")
assert len(arrays.x) == len(arrays.y)
assert "LSTM" in forecast.__all__
assert not {"tensorflow", "keras"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_layer_and_telemetry_work_in_anyones_model_without_the_rest_of_the_package():
    code = """
import sys
import keras, numpy as np
from forecast.layers import LSTM
from forecast.telemetry import GradientTelemetry
model = keras.Sequential([keras.Input((12, 2)), LSTM(3), keras.layers.Dense(1)])
model.compile("adam", "mse")
rng = np.random.default_rng(0)
x, y = rng.normal(size=(40, 12, 2)), rng.normal(size=(40, 1))
telemetry = GradientTelemetry("economy", say=None)
model.fit(x, y, verbose=0, callbacks=[telemetry])
assert telemetry.headline["memory_sessions"] > 0
print(*sorted(name for name in sys.modules if name.split(".")[0] == "forecast"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.split() if "." in name}
    assert rooms <= {"layers", "telemetry", "errors"}


def test_every_public_name_is_there():
    import forecast

    for name in forecast.__all__:
        assert getattr(forecast, name).__name__
    with pytest.raises(AttributeError, match="No forecast attribute nonsense"):
        _ = forecast.nonsense
