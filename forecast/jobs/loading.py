"""The networks of a saved run, and those that come with the project."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from forecast import runs
from forecast.jobs.pretrained import pretrained_card, pretrained_settings
from forecast.jobs.terminal import startup_notes_hidden
from forecast.settings import Settings
from forecast.shipped import pretrained_folder
from forecast.training import Ensemble, NeuralForecaster
from forecast.training.devices import leave_out_broken_gpu
from forecast.training.loaded import LoadedNetworks
from forecast.training.pretrained import CELL, load_member


def load_networks(run: Path, settings: Settings) -> dict[str, Ensemble]:
    """One ensemble of all seeds per cell; files are checked against the manifest's hashes.

    Raises InputError when a file is missing, was changed, or does not load.
    """
    with startup_notes_hidden():  # the first look for a GPU is told as an error where there is none
        leave_out_broken_gpu()
    manifest = runs.read_manifest(run)
    until = pd.Timestamp(manifest["splits"]["validation"]["first"]).date()
    market = manifest["data"]["tickers"]
    networks: dict[str, Ensemble] = {}
    for cell in settings.cell:
        members = []
        for seed in manifest["seeds"]:
            path = runs.check_file(run, f"models/{cell}-seed{seed}.keras")
            members.append(NeuralForecaster(settings, cell, seed, until).load(path, market))
        networks[cell] = Ensemble(members)
    return networks


def load_to_forecast(run: Path | None, settings: Settings) -> LoadedNetworks:
    """Networks of the run's first cell (None: the pretrained ones), for who only forecasts.

    Raises what the other two raise.
    """
    ensemble = (
        load_pretrained()[1] if run is None else load_networks(run, settings)[settings.cell[0]]
    )
    members = ensemble.members
    return LoadedNetworks([m.network_ for m in members], settings, members[0].market_)


def load_pretrained() -> tuple[Settings, Ensemble]:
    """Settings and ensemble of the pretrained network.

    Raises InputError when a file is missing, was changed, or does not load.
    """
    with startup_notes_hidden():  # the first look for a GPU is told as an error where there is none
        leave_out_broken_gpu()
    settings, seeds = pretrained_settings(), pretrained_card()["seeds"]
    return settings, Ensemble(load_members(settings, pretrained_folder(), seeds))


def load_members(settings: Settings, folder: Path, seeds: Sequence[int]) -> list[NeuralForecaster]:
    """The pretrained networks of a folder; their market is whatever they are shown."""
    members = [NeuralForecaster(settings, CELL, seed) for seed in seeds]
    for member in members:
        member.network_, member.market_ = load_member(folder, member.seed), ()
    return members
