"""Train on past prices, score against honest baselines, write a run folder.

python scripts/train.py --help
"""

import sys

from forecast.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
