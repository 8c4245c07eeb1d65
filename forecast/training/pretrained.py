"""The files of the network that comes with the project, and fine-tuning from them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from forecast import runs
from forecast.errors import InputError
from forecast.models.network import FeatureStatistics, build_network
from forecast.settings import Cell, Settings
from forecast.shipped import pretrained_folder
from forecast.training.saved import load_network

#: The recurrent layer of the pretrained network.
CELL: Cell = "lstm"


def file_of(seed: int) -> str:
    """Name of one member's file in the folder."""
    return f"models/{CELL}-seed{seed}.keras"


def save_bare(network: keras.Model, path: Path) -> None:
    """Write a network without its optimizer, which would treble the file."""
    keras.Model(network.input, network.output, name=network.name).save(path)


def load_member(folder: Path, seed: int) -> keras.Model:
    """Read one member after comparing it with its hash in the manifest (safe mode)."""
    return load_network(runs.check_file(folder, file_of(seed)))


def fine_tunable(settings: Settings, seed: int) -> keras.Model:
    """Return a compiled network with the weights and feature statistics of the pretrained one.

    Seeds take its members in turn. Raises InputError when the shapes of the weights differ.
    """
    folder = pretrained_folder()
    members = runs.read_json(folder / "manifest.json")["seeds"]
    source = load_member(folder, members[seed % len(members)])
    known = source.get_layer("normalization")
    statistics = FeatureStatistics(_flat(known.mean), _flat(known.variance), 0)
    network = build_network(settings, CELL, statistics, seed)
    shapes = [[tuple(w.shape) for w in model.weights] for model in (network, source)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"the pretrained network's weights {shapes[1]} do not fit these settings, which need "
            f"{shapes[0]}: leave --units, --horizon and --cell alone with --from-pretrained."
        )
    network.set_weights(source.get_weights())
    return network


def _flat(statistic: Any) -> np.ndarray:
    return np.asarray(statistic, np.float64).ravel()
