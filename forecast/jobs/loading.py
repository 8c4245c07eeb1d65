"""The networks of a saved run."""

from pathlib import Path

import pandas as pd

from forecast import runs
from forecast.errors import InputError
from forecast.settings import Settings
from forecast.training import Ensemble, NeuralForecaster


def load_networks(run: Path, settings: Settings) -> dict[str, Ensemble]:
    """One ensemble of all seeds per cell; files are checked against the manifest's hashes.

    Raises InputError when a file is missing, was changed, or does not load.
    """
    manifest = runs.read_json(run / "manifest.json")
    until = pd.Timestamp(manifest["splits"]["validation"]["first"]).date()
    market = manifest["data"]["tickers"]
    networks: dict[str, Ensemble] = {}
    for cell in settings.cell:
        members = []
        for seed in manifest["seeds"]:
            path = runs.check_file(run, f"models/{cell}-seed{seed}.keras")
            try:
                members.append(NeuralForecaster(settings, cell, seed, until).load(path, market))
            except (ValueError, OSError, TypeError) as error:
                raise InputError(f"{path} does not load: {error}") from error
        networks[cell] = Ensemble(members)
    return networks
