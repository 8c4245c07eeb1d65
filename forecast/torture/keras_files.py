"""`.keras` files as a stranger may make them: code to run, bombs, links, nonsense."""

import io
import json
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import h5py
import numpy as np

#: What is changed in a good file: its settings, and its weights.
Change = Callable[[dict[str, Any], h5py.File], None]
LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {
        "name": "harmless",
        "function": {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA"}},
    },
    "registered_name": None,
}


def spoiled(good: Path, change: Change) -> bytes:
    """A good file after a change to its configuration or its weights."""
    with zipfile.ZipFile(good) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = deepcopy(json.loads(members["config.json"]))
    weights = io.BytesIO(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        change(config, file)
    members |= {"config.json": json.dumps(config).encode(), "model.weights.h5": weights.getvalue()}
    return zipped(members)


def zipped(members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file of these members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", how) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def _layers(config: dict[str, Any]) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = config["config"]["layers"]
    return layers


def _lambda(config: dict[str, Any], weights: h5py.File) -> None:
    _layers(config)[-2] |= deepcopy(LAMBDA)


def _inner(config: dict[str, Any], weights: h5py.File) -> None:
    _layers(config)[2]["config"]["kernel_initializer"] = deepcopy(LAMBDA)


def _foreign(config: dict[str, Any], weights: h5py.File) -> None:
    _layers(config)[2] |= {"module": "os", "class_name": "system", "registered_name": "os>system"}


def _in_disguise(config: dict[str, Any], weights: h5py.File) -> None:
    _layers(config)[2] |= {"module": "subprocess", "class_name": "Popen"}


def _renamed(config: dict[str, Any], weights: h5py.File) -> None:
    _layers(config)[2] |= {"registered_name": "evil>LSTM"}


def _another_file(config: dict[str, Any], weights: h5py.File) -> None:
    table = {"max_tokens": 9, "vocabulary": "/etc/passwd"}
    _layers(config)[-2] |= {"class_name": "TextVectorization", "config": table}


def _units(config: dict[str, Any], weights: h5py.File) -> None:
    _layers(config)[2]["config"]["units"] = 10**9


def _nested(config: dict[str, Any], weights: h5py.File) -> None:
    inner: list[Any] = []
    for _ in range(400):
        inner = [inner]
    _layers(config)[2]["config"]["seed"] = inner


def _compressed(config: dict[str, Any], weights: h5py.File) -> None:
    weights.create_dataset("bomb", (10**6,), "f4", compression="gzip")


def _unwritten(config: dict[str, Any], weights: h5py.File) -> None:
    weights.create_dataset("bomb", (10**12,), "f4")


def _outside(config: dict[str, Any], weights: h5py.File) -> None:
    weights["bomb"] = h5py.ExternalLink("/etc/passwd", "/")


def _external(config: dict[str, Any], weights: h5py.File) -> None:
    weights.create_dataset("bomb", (8,), "u1", external=[("/etc/passwd", 0, 8)])


def _ring(config: dict[str, Any], weights: h5py.File) -> None:
    weights["bomb"] = weights["layers"]


def _objects(config: dict[str, Any], weights: h5py.File) -> None:
    weights.create_dataset("bomb", data=np.array([b"x"], dtype=h5py.string_dtype()))


#: Each change, and what the refusal says.
CHANGES: dict[str, tuple[Change, str]] = {
    "a Lambda": (_lambda, "keras.layers.Lambda (None), which is no part of this project's"),
    "a Lambda inside a layer": (_inner, "keras.layers.Lambda (None), which is no part"),
    "a foreign module": (_foreign, "os.system (os>system), which is no part"),
    "a foreign module in disguise": (_in_disguise, "subprocess.Popen (forecast>LSTM), which is no"),
    "a layer registered by another": (_renamed, "lstm.LSTM (evil>LSTM), which is no part"),
    "a layer that reads files": (_another_file, "keras.layers.TextVectorization (None), which"),
    "units for the whole memory": (_units, "has units of 1,000,000,000, more than 4,096"),
    "deep nesting": (_nested, "nested too deeply"),
    "a compressed HDF5 bomb": (_compressed, "holds 'bomb' in another form"),
    "an HDF5 bomb of nothing": (_unwritten, "says it holds 4,000,000,0"),
    "a link to another file": (_outside, "holds 'bomb' in another form"),
    "weights in another file": (_external, "holds 'bomb' in another form"),
    "a group in itself": (_ring, "holds 'layers' in another form"),
    "weights that are no numbers": (_objects, "holds 'bomb' in another form"),
}


def files(good: Path) -> dict[str, tuple[bytes, str]]:
    """Content of every hostile `.keras` file made from a good one, and what its refusal says."""
    content = good.read_bytes()
    made = {name: (spoiled(good, change), says) for name, (change, says) in CHANGES.items()}
    bomb = {"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": bytes(2**26)}
    return made | {
        "a zip bomb": (zipped(bomb, zipfile.ZIP_DEFLATED), "unpacks from"),
        "another member": (
            zipped({"config.json": b"{}", "../../evil.py": b""}),
            "holds config.json, ../../evil.py: this project writes no such file",
        ),
        "half a file": (content[: len(content) // 2], "does not load: File is not a zip file"),
        "no zip": (b"\x89HDF\r\n\x1a\n" + bytes(99), "does not load: File is not a zip"),
        "nothing": (b"", "does not load: File is not a zip file"),
    }
