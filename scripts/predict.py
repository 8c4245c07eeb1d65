"""Forecast the next sessions with a saved run.

python scripts/predict.py runs/latest --tickers AAPL
"""

import sys

from forecast.cli import main

if __name__ == "__main__":
    main(["predict", *sys.argv[1:]])
