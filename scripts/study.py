"""Run a study of the gradient laboratory: what is claimed, what is seen.

python scripts/study.py --list
python scripts/study.py vanishing --quick
"""

import sys

from forecast.cli import main

if __name__ == "__main__":
    main(["study", *sys.argv[1:]])
