"""Write a run as one HTML page that needs no network.

python scripts/report.py runs/latest
"""

import sys

from forecast.cli import main

if __name__ == "__main__":
    main(["report", *sys.argv[1:]])
