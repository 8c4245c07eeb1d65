"""Score a saved run again over its test part.

python scripts/evaluate.py runs/latest
"""

import sys

from forecast.cli import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
