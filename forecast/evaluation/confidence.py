"""Which models may be the best: as many as this many dates cannot tell from it."""

import numpy as np
import pandas as pd

from forecast.evaluation.scores import common, overlap


def confidence_set(table: pd.DataFrame, size: float = 0.1, seed: int = 0) -> pd.DataFrame:
    """Models that may be the best: ``h, model, p_value, included``, CRPS averaged by date.

    With probability ``1 − size`` the set contains the best model; stationary bootstrap in
    blocks of as many dates as overlap, or ``D^⅓``. A horizon with too few dates for
    `diebold_mariano` is left out.

    References:
        Hansen, P., Lunde, A. and Nason, J. (2011). The model confidence set.
    """
    from arch.bootstrap import MCS

    shared, blocks = common(table), []
    for h, at_h in shared.groupby("h"):
        losses = at_h.pivot_table(values="crps", index="cutoff", columns="model", observed=True)
        losses.columns = pd.Index(losses.columns.astype(str))
        overlapping = overlap(at_h, int(str(h)))
        if len(losses) < 2 * overlapping + 10 or losses.shape[1] < 2:
            continue
        block = max(overlapping, int(np.ceil(len(losses) ** (1 / 3))))
        # equal models have no variance to divide by: one of them stands for all
        twin = _twins(losses)
        p_values = pd.Series(1.0, index=losses.columns)
        if len(set(twin)) > 1:
            test = MCS(losses[sorted(set(twin))], size, block_size=block, seed=seed)
            test.compute()
            p_values = test.pvalues["Pvalue"]
        blocks.append(
            pd.DataFrame({"h": h, "model": losses.columns, "p_value": p_values[twin].to_numpy()})
        )
    if not blocks:
        return pd.DataFrame(columns=["h", "model", "p_value", "included"])
    whole = pd.concat(blocks, ignore_index=True)
    return whole.assign(included=whole["p_value"] > size)


def _twins(losses: pd.DataFrame) -> list[str]:
    """For each model the first one with the same losses."""
    near = 1e-12 * np.abs(losses.to_numpy()).max()
    return [
        next(str(one) for one in losses if (losses[one] - losses[name]).abs().max() <= near)
        for name in losses
    ]
