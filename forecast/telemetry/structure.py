"""Which recurrent layers a model holds, however deep."""

from collections.abc import Iterator
from typing import Any

import keras


def recurrent_layers(model: keras.Model) -> dict[str, keras.layers.RNN]:
    """Recurrent layers of a model by name; inside another model or layer by ``outer/inner``.

    Both directions of a Bidirectional layer are layers of their own.
    """
    return dict(_walk(model, "", set()))


def _walk(layer: Any, path: str, seen: set[int]) -> Iterator[tuple[str, keras.layers.RNN]]:
    for child in _children(layer):
        if id(child) in seen:
            continue
        seen.add(id(child))
        name = path + child.name
        if isinstance(child, keras.layers.RNN):
            yield name, child
        else:
            yield from _walk(child, name + "/", seen)


def _children(layer: Any) -> list[Any]:
    """What a model lists, else the layers among a layer's attributes, alone or in a list."""
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    found = []
    for name, value in vars(layer).items():
        if not name.startswith("_"):
            several = value if isinstance(value, list | tuple) else [value]
            found += [part for part in several if isinstance(part, keras.layers.Layer)]
    return found
