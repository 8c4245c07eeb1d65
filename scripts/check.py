"""Say what training would make of CSV files, without training.

python scripts/check.py --help
"""

import sys

from forecast.cli import main

if __name__ == "__main__":
    main(["check", *sys.argv[1:]])
