"""Make the pictures of the README again, from a run on the bundled prices.

python scripts/pictures.py
"""

import shutil
import tempfile
from pathlib import Path

from forecast.jobs.explaining import Span, explain
from forecast.jobs.starting import begin
from forecast.jobs.terminal import Terminal
from forecast.jobs.training import train
from forecast.settings import Settings

PICTURES = {
    "plots/fan_AAPL.png": "forecast.png",
    "plots/gradient_by_lag.png": "gradient_by_lag.png",
    "plots/skill.png": "skill.png",
    "explain/AAPL/gates_lstm.png": "gates.png",
}


def main() -> None:
    """Train every kind of cell once and copy the pictures to docs/pictures."""
    target = Path(__file__).parent.parent / "docs" / "pictures"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        cells = ("lstm", "gru", "simple-rnn")
        settings = Settings(cell=cells, runs_dir=Path(folder), name="pictures")
        terminal = Terminal()
        run = train(begin(settings, terminal), terminal)
        explain(run, "AAPL", Span(None, None, None), terminal)
        for source, name in PICTURES.items():
            shutil.copyfile(run / source, target / name)


if __name__ == "__main__":
    main()
