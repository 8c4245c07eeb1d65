"""Names that become files and folders: none leaves its folder, none is a device of Windows."""

import re
from collections.abc import Iterable
from zlib import crc32

from forecast.errors import InputError

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,98}[A-Za-z0-9_-]|[A-Za-z0-9]")
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in (*range(10), "¹", "²", "³")
}


def is_device(name: str) -> bool:
    """Whether Windows takes a file of this name for a device, as CON or nul.txt."""
    return name.split(".", maxsplit=1)[0].strip().lower() in _DEVICES


def check_run_name(name: str) -> str:
    """Return the name of a run; InputError for one that could not be a folder everywhere."""
    if not _RUN.fullmatch(name) or is_device(name):
        raise InputError(
            f"{name[:100]!r} is no name of a run: expected up to 100 letters, digits, '.', '-' and "
            "'_', none of the signs in front, no dot at the end and no device name such as CON."
        )
    return name


def check_series_names(names: Iterable[str]) -> None:
    """Raise InputError for names of series that could not stand in a file name or differ in case.

    A name has 1 to 80 printable characters without / and \\, no leading dot and is no device.
    """
    lower: dict[str, str] = {}
    for name in names:
        if (
            not name.strip()
            or name.startswith(".")
            or len(name) > 80
            or is_device(name)
            or any(sign in "/\\" or not sign.isprintable() for sign in name)
        ):
            raise InputError(
                f"The series name {name[:80]!r} cannot be used: expected 1 to 80 printable "
                "characters without / and \\, no leading dot and no device name such as CON; "
                "rename it in the file."
            )
        if lower.setdefault(name.lower(), name) != name:
            raise InputError(
                f"The series {lower[name.lower()]!r} and {name!r} differ in case only and would "
                "overwrite each other's files: rename one, or write both alike if they are one."
            )


def file_stem(ticker: str) -> str:
    """Part of a file name for a ticker: anything but letters, digits, ., - and _ becomes _.

    A checksum is added where something was changed, so that no two tickers share a file.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", ticker)[:60]
    special = not stem or stem[0] == "." or stem[-1] == "." or is_device(stem)
    if stem == ticker and not special:
        return stem
    check = crc32(ticker.encode("utf-8", "surrogatepass"))
    return f"{'_' * special}{stem}-{check:08x}"
