"""Checkpoints: the whole state of a training after every epoch, whole or not at all.

A training that is killed at any moment and goes on from its checkpoint ends bit for bit where it
would have ended: weights, optimizer, dropout's generators, callbacks and batches are put back.
"""

import hashlib
import io
import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from forecast import runs
from forecast.errors import InputError


class Stateful(Protocol):
    """A part of a training that has a state: arrays, and values that JSON knows, by name."""

    def get_state(self) -> dict[str, Any]:
        """Return the state."""

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Put a state back."""


class Checkpoint(keras.callbacks.Callback):
    """Saves a training after every epoch in `folder`, which holds the newest two checkpoints.

    It is the last of the callbacks: it saves what they made of the epoch, and puts their state
    back after they began anew. `epochs_done` says where the training goes on, `finished` whether
    there is nothing left to train.

    Args:
        folder: made when the first checkpoint is written.
        key: says what the training is; a checkpoint of another training is refused.
        parts: the callbacks that have a state, by name.
        say: told in one line what goes wrong.

    Raises InputError when the folder holds checkpoints of another training, or damaged ones only.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        parts: Mapping[str, Stateful],
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        self.folder, self.key, self.parts, self.say = folder, key, parts, say
        self._told = False
        self._costs: list[tuple[int, float]] = []  # bytes and seconds of each
        self._state = self._newest()
        about = self._state.get("about", {})
        self.epochs_done: int = about.get("epochs_done", 0)
        self.finished: bool = about.get("finished", False)

    def on_train_begin(self, logs: Any = None) -> None:
        """Put back what was saved, if anything was."""
        if not self._state:
            return
        put_back(self.model, self._state["variables"], self.folder)
        for name, part in self.parts.items():
            part.set_state(self._state[name])
        self._state = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save the epoch; a disk that is full is told once, and the training goes on."""
        began = time.perf_counter()
        last = self.model.stop_training or epoch + 1 == self.params["epochs"]
        state: dict[str, dict[str, Any]] = {
            "about": {"key": self.key, "epochs_done": epoch + 1, "finished": bool(last)},
            "variables": values(self.model),
            **{name: part.get_state() for name, part in self.parts.items()},
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            content = pack(state)
            runs.write_atomic(self.folder / f"epoch-{epoch + 1:05d}.state", content)
            for path in saved_paths(self.folder)[:-2]:
                path.unlink()
            self._costs.append((len(content), time.perf_counter() - began))
        except OSError as error:
            if not self._told:
                self.say(f"  epoch {epoch + 1} cannot be saved: {error.strerror}; training goes on")
            self._told = True

    def on_train_end(self, logs: Any = None) -> None:
        """Say what saving cost."""
        if self._costs:
            size, seconds = np.median(self._costs, axis=0)
            self.say(f"  every epoch was saved: {size / 1e3:.0f} kB in {1e3 * seconds:.1f} ms each")

    def _newest(self) -> dict[str, Any]:
        """The newest checkpoint that is whole; damaged ones are told."""
        damaged = []
        for path in reversed(saved_paths(self.folder)):
            try:
                state = unpack(path.read_bytes())
            except (OSError, ValueError) as error:
                damaged.append(path)
                self.say(f"  {path} is damaged ({error}): the one before it is used")
                continue
            check_key(state, self.key, path)
            return state
        if damaged:
            raise InputError(f"all checkpoints in {self.folder} are damaged: train anew.")
        return {}


def check_key(state: Mapping[str, Any], key: str, path: Path) -> None:
    """Raise InputError when a state that was read from `path` is of another training."""
    if state["about"]["key"] != key:
        raise InputError(
            f"the checkpoint {path} is of a training with other settings or prices: "
            "delete it, or choose another folder."
        )


def saved_paths(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the oldest first."""
    found = folder.glob("epoch-*.state")
    return sorted(path for path in found if re.fullmatch(r"epoch-\d{5}", path.stem))


def pack(state: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Turn the states of parts by name into bytes: a SHA-256, then an ``.npz`` file of it all."""
    arrays: dict[str, Any] = {}
    plain: dict[str, dict[str, Any]] = {}
    for part, values in state.items():
        plain[part] = {}
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                arrays[f"{part}:{name}"] = value
                plain[part][name] = None  # keeps the order
            else:
                plain[part][name] = value
    text = json.dumps(plain).encode()
    buffer = io.BytesIO()
    np.savez(buffer, plain=np.frombuffer(text, np.uint8), **arrays)
    return hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()


def unpack(content: bytes) -> dict[str, dict[str, Any]]:
    """Turn the bytes back; raises ValueError when a single one was changed."""
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        raise ValueError("its SHA-256 is another")
    with np.load(io.BytesIO(content[32:]), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    state: dict[str, dict[str, Any]] = json.loads(arrays.pop("plain").tobytes())
    for place, array in arrays.items():
        part, _, name = place.partition(":")
        state[part][name] = array
    return state


def values(model: keras.Model) -> dict[str, np.ndarray]:
    """Weights, generators' states and the optimizer's slots, numbered: paths may differ."""
    return {str(number): np.asarray(each) for number, each in enumerate(_variables(model))}


def put_back(model: keras.Model, saved: Mapping[str, np.ndarray], folder: Path) -> None:
    """Give a model the `values` read in a folder; InputError when they are of other shapes."""
    variables = _variables(model)
    if [each.shape for each in saved.values()] != [tuple(v.shape) for v in variables]:
        raise InputError(
            f"the checkpoint in {folder} has other weights than this network: it was "
            "written by another version; train anew."
        )
    for variable, value in zip(variables, saved.values(), strict=True):
        variable.assign(value)


def _variables(model: keras.Model) -> list[Any]:
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]
