"""What runs a run's networks: ONNX Runtime where they have been exported, TensorFlow elsewhere."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast import runs
from forecast.command_settings import Runtime
from forecast.errors import InputError
from forecast.jobs.pretrained import ONNX_FILE, pretrained_card
from forecast.jobs.terminal import startup_notes_hidden
from forecast.models.onnx import OnnxForecaster
from forecast.settings import Settings
from forecast.shipped import pretrained_folder

if TYPE_CHECKING:
    from forecast.models.base import Fitted

#: Folder of a run's exported network.
EXPORT = "export"


def open_networks(run: Path | None, settings: Settings, runtime: Runtime) -> "Fitted":
    """Return the networks of a run's first cell (None: the pretrained ones), ready to forecast.

    "auto" is ONNX Runtime where it is installed and the networks have been exported: the same
    quantiles to 1e-5, some seconds earlier. Raises InputError for files that are missing, changed,
    damaged or of other networks, and with "onnx" when there is no exported network.
    """
    manifest = pretrained_card() if run is None else runs.read_manifest(run)
    chosen = settings.model_copy(update={"cell": settings.cell[:1]})
    cell = chosen.cell[0]
    if runtime == "onnx" or (runtime == "auto" and find_spec("onnxruntime")):
        path = _exported(run, manifest, cell)
        if path:
            market = () if run is None else manifest["data"]["tickers"]
            return OnnxForecaster(path, chosen, market)
        if runtime == "onnx":
            raise InputError(_nothing(run))
    with startup_notes_hidden():
        from forecast.jobs.loading import load_to_forecast
    return load_to_forecast(run, chosen)


def runtime_of(model: "Fitted") -> str:
    """What runs this model."""
    return "ONNX Runtime" if isinstance(model, OnnxForecaster) else "TensorFlow"


def _exported(run: Path | None, manifest: dict[str, Any], cell: str) -> Path | None:
    """The exported networks, compared with their hashes; None when there are none."""
    if run is None:
        if ONNX_FILE not in manifest["files"]:
            return None
        again = (
            "write it again with python scripts/pretrain.py --onnx, or take --runtime tensorflow"
        )
        return runs.check_file(pretrained_folder(), ONNX_FILE, remedy=again)
    folder, name = run / EXPORT, f"{cell}.onnx"
    if not (folder / name).is_file() or not (folder / f"{cell}.json").is_file():
        return None
    again = f"write it again with forecast export {run.name}, or take --runtime tensorflow"
    of = runs.read_record(folder, f"{cell}.json").get("networks_sha256")
    if of != runs.networks_sha256(manifest, cell):
        raise InputError(f"{folder / name} holds other networks than those of {run.name}: {again}.")
    return runs.check_file(folder, name, f"{cell}.json", again)


def _nothing(run: Path | None) -> str:
    if run is None:
        return (
            "the pretrained network was not exported: python scripts/pretrain.py --onnx does it; "
            "or take --runtime tensorflow."
        )
    return (
        f"the networks of {run.name} have not been exported: forecast export {run.name} does it "
        "once (pip install 'forecast[onnx]'); or take --runtime tensorflow."
    )
