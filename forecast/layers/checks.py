"""What a recurrent layer may be given; each message says what came, what fits, and what to do."""

from numbers import Integral
from typing import Any

Shape = tuple[int | None, ...]


def check_units(layer: str, units: Any) -> None:
    """Raise ValueError unless `units` is a whole number above 0."""
    if isinstance(units, bool) or not isinstance(units, Integral) or units < 1:
        raise ValueError(
            f"{layer} received units={units!r}. Expected a whole number, 1 or more: the width of "
            "its state h and of its output, such as units=32."
        )


def check_build(name: str, shape: Shape) -> None:
    """Raise ValueError unless weights can be made for inputs of `shape`."""
    _check_rank(name, shape)
    if shape[2] is None:
        raise ValueError(
            f"Layer {name!r} cannot be built for inputs of shape {tuple(shape)}: the kernel has a "
            "row per feature. Expected a known last dimension: pass keras.Input((steps, features))."
        )


def check_inputs(name: str, shape: Shape, features: int) -> None:
    """Raise ValueError unless inputs of `shape` fit a layer built for so many features."""
    _check_rank(name, shape)
    if not _fits(shape[2:], (features,)):
        raise ValueError(
            f"Layer {name!r} received inputs of shape {tuple(shape)}. Expected {features} features "
            "in the last dimension, as when it was built: pass those, or make a new layer."
        )


def check_states(name: str, shape: Shape, units: int, states: Any) -> None:
    """Raise ValueError unless `states`, if any, are h and c ``(N, U)`` for inputs of `shape`."""
    if states is None:
        return
    states = states if isinstance(states, list | tuple) else [states]
    expected = (shape[0], units)
    shapes = [_shape(state) for state in states]
    if len(shapes) != 2 or not all(isinstance(s, tuple) and _fits(s, expected) for s in shapes):
        raise ValueError(
            f"Layer {name!r} received an initial state of shapes {shapes}. Expected two tensors, "
            f"h and c, of shape {expected} (batch, units): pass [h, c], or None for zeros."
        )


def check_mask(name: str, shape: Shape, mask: Any) -> None:
    """Raise ValueError unless `mask`, if any, has a boolean for every step of inputs of `shape`."""
    mask = mask[0] if isinstance(mask, list | tuple) else mask
    got, expected = _shape(mask), tuple(shape[:2])
    if mask is not None and not (isinstance(got, tuple) and _fits(got, expected)):
        raise ValueError(
            f"Layer {name!r} received a mask of shape {got} for inputs of shape {tuple(shape)}. "
            f"Expected a tensor of shape {expected} (batch, steps), True where the step counts: "
            "pass that, or None for all steps."
        )


def _check_rank(name: str, shape: Shape) -> None:
    if len(shape) != 3:
        raise ValueError(
            f"Layer {name!r} received inputs of shape {tuple(shape)}. Expected three dimensions, "
            "(batch, steps, features): give one series a first axis, x[None], and a single "
            "feature a last one, x[..., None]."
        )


def _shape(value: Any) -> Shape | str:
    """The shape of a tensor, or the type of what is none."""
    return tuple(value.shape) if hasattr(value, "shape") else type(value).__name__


def _fits(shape: Shape, expected: Shape) -> bool:
    if len(shape) != len(expected):
        return False
    return all(None in pair or pair[0] == pair[1] for pair in zip(shape, expected, strict=True))
