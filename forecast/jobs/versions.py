"""Versions of what can change the numbers, and the machine that made them."""

import os
import platform
from importlib.metadata import version

PACKAGES = (
    *("forecast", "tensorflow", "keras", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn"),
    *("statsmodels", "arch", "exchange-calendars"),
)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages whose versions can change the numbers."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def machine() -> dict[str, str]:
    """What of a machine can change the last bits: kernels and sums are cut by cores."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": str(os.cpu_count()),
    }
