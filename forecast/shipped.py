"""Files that come with the project: in the installed package, or beside it in a checkout."""

from pathlib import Path

from forecast.errors import InputError

_PACKAGE = Path(__file__).parent
PLACES = (_PACKAGE / "data", _PACKAGE.parent / "data")


def shipped(name: str, what: str, remedy: str) -> Path:
    """Return where the file or folder `name` of the project's data is.

    Raises InputError, which says `what` is missing and the `remedy` beside reinstalling.
    """
    for place in PLACES:
        if (place / name).exists():
            return place / name
    raise InputError(
        f"{what} are neither at {PLACES[0] / name} nor at {PLACES[1] / name}: reinstall the "
        f"package, {remedy}."
    )


def pretrained_folder() -> Path:
    """Return the folder of the pretrained network; InputError when it is missing."""
    remedy = "make them again with python scripts/pretrain.py, or do without them"
    return shipped("pretrained", "The files of the pretrained network", remedy)
