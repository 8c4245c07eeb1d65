"""Make the network that comes with the project: train, score on dates it has not seen, write.

    python scripts/pretrain.py            train; under a minute
    python scripts/pretrain.py --score    score what was trained, write its card; three minutes
    python scripts/pretrain.py --onnx     write its ONNX file again, which training writes too

Needs the 20-stock set (pip install -e ".[bench,onnx]"). Trains to 2012, stops by 2013 to 2015
and scores from 2016 on, which is to be done once, when nothing is left to decide. Until then a
rehearsal on earlier dates, for which others of the same recipe are trained, goes into the card:

    python scripts/pretrain.py --score --validation-start 2010-01-01 --test-start 2013-01-01
        --end 2015-12-31
"""

import argparse
import logging
from pathlib import Path

from forecast.jobs.comparing import SPLIT
from forecast.jobs.pretraining import CHOICES, add_onnx, add_scores, pretrain
from forecast.jobs.terminal import Terminal
from forecast.settings import Settings

DATA = Path(__file__).parents[1] / "data" / "pretrained"


def main() -> None:
    """Parse and call."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--validation-start", default=SPLIT["validation_start"])
    parser.add_argument("--test-start", default=SPLIT["test_start"])
    parser.add_argument("--end", help="last session to use")
    parser.add_argument("--seeds", type=int, default=3, help="networks in the ensemble")
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write")
    job = parser.add_mutually_exclusive_group()
    job.set_defaults(job=pretrain)
    for flag, instead, words in (("--score", add_scores, "score"), ("--onnx", add_onnx, "export")):
        job.add_argument(
            flag,
            dest="job",
            action="store_const",
            const=instead,
            help=f"{words} instead of training",
        )
    arguments = vars(parser.parse_args())
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    out, job = arguments.pop("out"), arguments.pop("job")
    given = {name: value for name, value in arguments.items() if value is not None}
    job(Settings.model_validate({**CHOICES, **given}), out, Terminal())


if __name__ == "__main__":
    main()
