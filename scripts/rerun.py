"""Repeat a run and say what is the same and what differs.

python scripts/rerun.py runs/latest
"""

import sys

from forecast.cli import main

if __name__ == "__main__":
    main(["rerun", *sys.argv[1:]])
