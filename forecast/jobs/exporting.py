"""`forecast export`: a run's network for other programs, and a card that says how to feed it."""

from pathlib import Path
from typing import Any

from forecast import runs
from forecast.jobs.loading import load_networks, load_pretrained
from forecast.jobs.pretrained import pretrained_card
from forecast.jobs.starting import PANEL
from forecast.jobs.terminal import Terminal
from forecast.layers.quantile_function import PARAMETERS
from forecast.models.levels import LEVELS
from forecast.prices import load_prices
from forecast.prices.storing import load_panel
from forecast.settings import PriceSettings, Settings
from forecast.training import Ensemble
from forecast.training.exporting import Format, export
from forecast.windows import causal_features


def export_run(run: Path | None, format: Format, folder: Path, terminal: Terminal) -> Path:
    """Write the first cell of a run (None: the pretrained network) and its card to `folder`.

    Raises InputError when a file of the run was changed, or a package is missing.
    """
    if run is None:
        manifest = pretrained_card()
        settings, model = load_pretrained()
        panel, _ = load_prices(PriceSettings())
    else:
        manifest, settings = runs.read_manifest(run), runs.read_settings(run)
        settings = settings.model_copy(update={"cell": settings.cell[:1]})
        model = load_networks(run, settings)[settings.cell[0]]
        panel = load_panel(runs.check_file(run, PANEL), manifest["data"])
    seen = panel.closes() if settings.closes_only else panel
    names = causal_features(seen).names
    runs.make_folder(folder, "--out")
    path = folder / (f"{model.name}.onnx" if format == "onnx" else model.name)
    with terminal.stage("export"):
        export(model, path, format)
    about = card(settings, model, names)
    about["networks_sha256"] = runs.networks_sha256(manifest, model.name)
    if format == "onnx":
        about["files"] = {path.name: runs.file_sha256(path)}
    runs.write_json(path.with_suffix(".json"), about)
    terminal.data(**about)
    terminal.path(path)
    return path


def card(settings: Settings, model: Ensemble, names: tuple[str, ...]) -> dict[str, Any]:
    """Every input and output of the exported network, for whoever feeds it."""
    return {
        "model": model.name,
        "networks": len(model.members),
        "inputs": {
            "features": {
                "shape": ["N", settings.lookback, len(names)],
                "features": names,
                "from": "forecast.window_arrays(...).x: windows that end at the cutoff",
            },
            "volatility": {
                "shape": ["N"],
                "unit": "log return per session, at the cutoff",
                "from": "forecast.window_arrays(...).scale[:, 0]",
            },
        },
        "outputs": {
            "quantiles": {
                "shape": ["N", settings.horizon, len(LEVELS)],
                "unit": "log return from the cutoff's close to the close h sessions later",
                "horizons_sessions": list(range(1, settings.horizon + 1)),
                "levels": [round(float(level), 4) for level in LEVELS],
            },
            "parameters": {
                "shape": [
                    *("N", len(model.members), settings.lookback - settings.warmup),
                    *(len(settings.learned_horizons), len(PARAMETERS)),
                ],
                "parameters": PARAMETERS,
                "horizons_sessions": settings.learned_horizons,
                "unit": "volatility × √h, of each network at every session after the warm-up",
                "from": "forecast.layers.quantile_function makes quantiles of them",
            },
        },
    }
