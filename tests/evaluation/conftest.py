import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def score_rows():
    """Return a function: model → losses (D,) to rows of a scores frame, alike for every ticker."""

    def make(losses, h=1, tickers=("A", "B"), step=1):
        days = pd.bdate_range("2020-01-01", periods=len(next(iter(losses.values()))))
        dates = {"cutoff": days, "session": step * np.arange(len(days))}
        return pd.concat(
            [
                pd.DataFrame({"unique_id": t, **dates, "h": h, "model": m, "crps": loss})
                for m, loss in losses.items()
                for t in tickers
            ],
            ignore_index=True,
        )

    return make
