"""Look into the networks of a run on one ticker: gates beside the price, gradients, inputs.

python scripts/explain.py runs/latest --ticker AAPL
"""

import sys

from forecast.cli import main

if __name__ == "__main__":
    main(["explain", *sys.argv[1:]])
