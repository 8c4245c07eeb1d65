"""Exported networks, run by ONNX Runtime: the same quantiles without TensorFlow."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np

from forecast.errors import InputError
from forecast.models.covering import FittedNetworks
from forecast.settings import Settings

#: Bytes of one file, far more than usual networks have, and of all that running it may take:
#: a batch of 256 windows of 160 sessions takes 20 MB with 32 units.
MOST_BYTES, MOST_MEMORY = 2**30, 2**31
#: Seconds for such a batch, which takes a tenth of one; a file may be made to go on for ever.
MOST_SECONDS = 600.0
#: What is fed and what is asked for (`forecast.training.exporting`).
FEATURES, VOLATILITY, PARAMETERS = "features", "volatility", "parameters"
_DO_NOT = "do not trust it; write it again with forecast export"


class OnnxForecaster(FittedNetworks):
    """Fitted networks that only forecast: an ONNX file of `forecast export`, members included.

    Args:
        path: the file, which has been compared with its hash.
        settings: of the networks.
        market: tickers that make up their market features (empty: all they are shown).

    Raises InputError when onnxruntime is missing, and for a file that is too large, damaged, of
    another network, or that wants other files or other operations than those of ONNX; when it
    forecasts also for one that wants more memory or time than a network of this project does.
    """

    def __init__(self, path: Path, settings: Settings, market: Sequence[str] = ()) -> None:
        super().__init__(settings, market)
        self.path = path
        self._session = _opened(path)
        _check_fit(path, self._session, settings)

    @property
    def features(self) -> int:
        """F, how many features the networks read."""
        return int(_shapes(self._session.get_inputs())[FEATURES][-1])

    def parameters(self, features: np.ndarray) -> np.ndarray:
        """Parameters (B, M, O, K, 4) of the quantile functions, from windows (B, T, F)."""
        from onnxruntime import RunOptions

        fed = {FEATURES: features, VOLATILITY: np.ones(len(features), np.float32)}
        options = RunOptions()
        end = Timer(MOST_SECONDS, setattr, (options, "terminate", True))
        end.start()
        try:
            return np.asarray(self._session.run([PARAMETERS], fed, options)[0])
        except Exception as error:  # the errors of ONNX Runtime have no class of their own
            why = f"not done in {MOST_SECONDS:g} s" if options.terminate else _told(error)
            raise InputError(f"{self.path} does not run ({why}): {_DO_NOT}.") from error
        finally:
            end.cancel()


def _opened(path: Path) -> Any:
    """Return the session of a file that is read here, whole: no other file is opened for it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"ONNX Runtime does not load ({error}): pip install onnxruntime, or take --runtime "
            "tensorflow."
        ) from error
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"{path} is larger than {MOST_BYTES:,} bytes: {_DO_NOT}.")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is raised, and told once
    # weights in other files are looked for in a folder that cannot be, and so are refused
    nowhere = "session.model_external_initializers_file_folder_path"
    options.add_session_config_entry(nowhere, str(path.absolute() / "nowhere"))
    options.add_session_config_entry("session.use_env_allocators", "1")
    kind = {"providers": ["CPUExecutionProvider"]}
    # constants are not multiplied out while it loads: that memory would have no bounds
    kind["disabled_optimizers"] = ["ConstantFolding"]
    try:
        _bound_memory()
        return onnxruntime.InferenceSession(content, options, **kind)
    except Exception as error:  # as above
        raise InputError(f"{path} does not load ({_told(error)}): {_DO_NOT}.") from error


@cache
def _bound_memory() -> None:
    """Give all sessions of this process together so much memory, and no more."""
    import onnxruntime

    arena = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    place = onnxruntime.OrtMemoryInfo("Cpu", arena, 0, onnxruntime.OrtMemType.DEFAULT)
    bounds = onnxruntime.OrtArenaCfg({"max_mem": MOST_MEMORY})
    onnxruntime.create_and_register_allocator(place, bounds)


def _check_fit(path: Path, session: Any, settings: Settings) -> None:
    origins, learned = settings.lookback - settings.warmup, len(settings.learned_horizons)
    inputs, outputs = _shapes(session.get_inputs()), _shapes(session.get_outputs())
    fed, made = inputs.get(FEATURES, []), outputs.get(PARAMETERS, [])
    lengths = [fed[1:2], made[2:]]
    if set(inputs) != {FEATURES, VOLATILITY} or lengths != [
        [settings.lookback],
        [origins, learned, 4],
    ]:
        raise InputError(
            f"{path} reads {inputs} and gives {outputs}; expected {FEATURES} (N, "
            f"{settings.lookback}, F), {VOLATILITY} (N) and {PARAMETERS} (N, M, {origins}, "
            f"{learned}, 4): it holds another network; write it again with forecast export."
        )


def _shapes(values: Any) -> dict[str, list[Any]]:
    return {value.name: list(value.shape) for value in values}


def _told(error: Exception) -> str:
    """What ONNX Runtime says, without its codes and the names of its source files."""
    return str(error).rpartition(" : ")[2][:300]
