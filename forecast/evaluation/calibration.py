"""Do the stated probabilities hold? The share of outcomes below each quantile."""

import numpy as np
import pandas as pd

from forecast.evaluation.backtest import Backtest
from forecast.evaluation.conformal import SUFFIX


def reliability(backtest: Backtest) -> pd.DataFrame:
    """Share of outcomes at or below each quantile: ``model, h, level, observed, n``.

    `observed` equals `level` for a calibrated forecast; `n` counts outcomes with a forecast.
    """
    blocks = []
    for model in backtest.models:
        for k, h in enumerate(backtest.horizons):
            y, quantiles = backtest.actual[:, k, None], backtest.quantiles[model][:, k]
            known = np.isfinite(y) & np.isfinite(quantiles)  # (N, Q)
            n = known.sum(axis=0)
            hits = (known & (y <= quantiles)).sum(axis=0)
            observed = np.where(n > 0, hits / np.maximum(n, 1), np.nan)
            columns = {"model": model, "h": h, "level": backtest.levels, "observed": observed}
            blocks.append(pd.DataFrame(columns | {"n": n}))
    return pd.concat(blocks, ignore_index=True)


def before_and_after(calibration: pd.DataFrame) -> pd.DataFrame:
    """Put the rows of ``<model>+conformal`` beside those of the model: ``observed_conformal``.

    NaN for a model that was not adjusted. Takes and returns `reliability`.
    """
    adjusted = calibration["model"].str.endswith(SUFFIX)
    after = calibration[adjusted].assign(
        model=calibration.loc[adjusted, "model"].str.removesuffix(SUFFIX)
    )
    after = after.rename(columns={"observed": "observed_conformal"}).drop(columns="n")
    return calibration[~adjusted].merge(after, on=["model", "h", "level"], how="left")
