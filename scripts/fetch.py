"""Download daily prices from Yahoo into the cache.

python scripts/fetch.py --help
"""

import sys

from forecast.cli import main

if __name__ == "__main__":
    main(["fetch", *sys.argv[1:]])
