"""Do to the project what machines and strangers do, count how it comes out, write JSON.

    python scripts/torture.py [--quick] [--fuzz 20000] [--kills 20] [--seed 0] [--out torture.json]

inputs: dirty prices and hostile files, each ends in a named repair or in one clear message; all
there are (0) unless --inputs says how many.
fuzz: CSV files and settings that nobody would write give no traceback.
kills: trainings and walks with refits are killed (SIGKILL) at random moments, in an epoch, while
saving, between seeds, in a fold and so on; resumed, they must end bit for bit as undisturbed.
Exit code 1 when anything did not end as it should; a fault names what repeats it.
"""

import argparse
import sys
import time
from pathlib import Path

from forecast.runs import write_json
from forecast.torture import campaign, result_json

#: Campaigns in their order, how many tries each makes, and how many with --quick.
CAMPAIGNS = {"inputs": (0, 0), "fuzz": (20_000, 300), "kills": (20, 1)}


def say(line: str) -> None:
    """Print what a campaign is at."""
    print(f"  {line}", flush=True)


def main() -> None:
    """Run every campaign, print its counts, write all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few tries of each, in a minute")
    parser.add_argument("--seed", type=int, default=0, help="every try follows from it")
    parser.add_argument("--out", type=Path, default=Path("torture.json"), help="where to write")
    for name, (count, quick) in CAMPAIGNS.items():
        told = f"tries of the campaign {name} (default: {count}; quick: {quick})"
        parser.add_argument(f"--{name}", type=int, metavar="N", help=told)
    arguments = parser.parse_args()
    results = {}
    for name, (count, quick) in CAMPAIGNS.items():
        given = getattr(arguments, name)
        tries = given if given is not None else quick if arguments.quick else count
        began = time.perf_counter()
        results[name] = campaign(name)(tries, arguments.seed, say)
        print(f"{results[name]} ({time.perf_counter() - began:.0f} s)", flush=True)
    content = result_json(results, arguments.seed)
    write_json(arguments.out, content)
    print(f"written: {arguments.out}")
    sys.exit(0 if content["passed"] else 1)


if __name__ == "__main__":
    main()
