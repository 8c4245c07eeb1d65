"""A `.keras` file as a stranger may have made it: looked through before Keras opens it."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from forecast.errors import InputError
from forecast.layers.quantiles import QuantileCRPS

_KERAS = (
    *("layers.InputLayer", "layers.Normalization", "layers.Cropping1D", "layers.Dropout"),
    *("layers.LSTM", "layers.GRU", "layers.SimpleRNN", "DTypePolicy", "optimizers.Adam"),
    *("initializers.GlorotUniform", "initializers.Orthogonal", "initializers.Zeros"),
    *("src.models.functional.Functional", "models.Functional", "Functional"),
)
_OWN = (
    *("lstm.LSTM", "lstm_cell.ChronoBias", "lstm_cell.ConstantGateBias"),
    *("quantiles.QuantileHead", "quantiles.QuantileCRPS"),
)
#: Every class of which a network of this project is made, by its full name.
ALLOWED = {f"keras.{name}" for name in _KERAS} | {f"forecast.layers.{name}" for name in _OWN}
#: What makes a file unpack to more than it is: the weights of a network hardly shrink.
MOST_TIMES_LARGER = 20
MOST_BYTES, CONFIG_BYTES = 2**30, 2**20
#: Settings allow as many; where a configuration says how large something is.
MOST, _SIZES = 4096, {"units", "batch_shape", "input_shape", "shape", "cropping", "horizons"}
#: Levels of values inside values in a configuration.
DEPTH = 50
_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
_DO_NOT = "this project writes no such file: do not trust it; train the run again."


def load_network(path: Path) -> keras.Model:
    """Return the network in a `.keras` file, made of layers of this project and of Keras alone.

    Raises InputError for any other class, for files that would take more memory than a network
    of this project can, and for damaged ones.
    """
    try:
        _check(path)
        network: keras.Model = keras.saving.load_model(path, safe_mode=True, compile=False)
        # its loss is looked at again; its optimizer, two thirds of the file, has done its work
        network.compile("sgd", QuantileCRPS(), jit_compile=False)
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"{path} is nested too deeply: {_DO_NOT}") from None
    except (ValueError, OSError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} does not load: {error}") from error
    return network


def _check(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        unpacked, packed = sum(m.file_size for m in members), path.stat().st_size
        if unpacked > min(MOST_BYTES, MOST_TIMES_LARGER * packed):
            raise InputError(f"{path} unpacks from {packed:,} to {unpacked:,} bytes: {_DO_NOT}")
        if {m.filename for m in members} != _MEMBERS or len(members) > len(_MEMBERS):
            names = ", ".join(m.filename[:40] for m in members[:5])
            raise InputError(f"{path} holds {names or 'nothing'}: {_DO_NOT}")
        if archive.getinfo("config.json").file_size > CONFIG_BYTES:
            raise InputError(f"{path} has over {CONFIG_BYTES:,} bytes of settings: {_DO_NOT}")
        _check_config(path, json.loads(archive.read("config.json")))
        _check_weights(path, archive.read("model.weights.h5"))


def _check_config(path: Path, config: Any) -> None:
    units = 0.0
    for part in _objects(config):
        name = f"{part.get('module')}.{part.get('class_name')}"
        if part.get("class_name") == "__keras_tensor__" and not part.get("module"):
            continue
        registered = part.get("registered_name")
        own = name.rpartition(".")[2]
        expected = {f"forecast>{own}"} if name.startswith("forecast.") else {None, own}
        if name not in ALLOWED or registered not in expected:
            raise InputError(
                f"{path} holds {name} ({registered}), which is no part of this project's "
                "networks and may run a stranger's code: do not trust it; train the run again."
            )
    for key, value in _sizes(config):
        units += value if key == "units" else 0
        if max(value, units) > MOST:
            raise InputError(f"{path} has {key} of {value:,}, more than {MOST:,}: {_DO_NOT}")


def _objects(config: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Every part of a configuration that names a class."""
    if depth > DEPTH:
        raise RecursionError
    if isinstance(config, dict):
        if {"class_name", "module", "registered_name"} & set(config):
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _objects(part, depth + 1)


def _sizes(config: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Every number that says how large something is, and how long every list is."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield from _sizes(value, name)
    elif isinstance(config, list):
        yield f"a list ({key})", len(config)
        for part in config:
            yield from _sizes(part, key)
    elif key in _SIZES and isinstance(config, int | float):
        yield key, config


def _check_weights(path: Path, content: bytes) -> None:
    """Every array must lie in the file itself, once and as it is: no compression, no other file."""
    held = 0
    with h5py.File(io.BytesIO(content), "r") as file:
        for name, item in _inside(file, {_address(file)}):
            plain = isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu"
            if not plain or item.chunks or item.external or item.is_virtual:
                raise InputError(f"{path} holds {name!r} in another form: {_DO_NOT}")
            held += item.nbytes
            if held > len(content):
                raise InputError(
                    f"{path} says it holds {held:,} bytes of weights in {len(content):,}: {_DO_NOT}"
                )


def _inside(group: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Everything in a group and in the groups in it, but groups; None for what points elsewhere."""
    for name in group:
        hard = isinstance(group.get(name, getlink=True), h5py.HardLink)
        item = group[name] if hard else None
        if item is not None and _address(item) in seen:
            item = None  # a second name of the same: such files may never end
        if isinstance(item, h5py.Group):
            seen.add(_address(item))
            yield from _inside(item, seen)
        else:
            yield name[:40], item


def _address(item: Any) -> int:
    return int(h5py.h5o.get_info(item.id).addr)
