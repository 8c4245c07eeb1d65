"""Versions of what can change the numbers."""

import platform
from importlib.metadata import version

PACKAGES = ("forecast", "tensorflow", "keras", "numpy", "pandas", "scikit-learn", "statsmodels")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages whose versions can change the numbers."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
