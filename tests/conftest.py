"""Made-up prices for every test."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from forecast.prices import Panel, clean, garch_prices

# The same examples every time: a red test is the change's, not the draw's.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def make_panel() -> Callable[..., Panel]:
    """Return a factory of panels: GARCH prices, one ticker listed late, some holes."""

    def make(
        tickers: int = 3, sessions: int = 700, seed: int = 0, holes: int = 0, late: int = 0
    ) -> Panel:
        rows = garch_prices(tickers, sessions, seed)
        panel, _ = clean(rows, source="synthetic", sha256=f"{seed}", calendar="XNYS")
        frame = panel.frame.copy()
        rng = np.random.default_rng(seed)
        for name in panel.tickers:
            empty = rng.choice(np.arange(1, sessions - 1), holes, replace=False)
            frame.loc[frame.index[empty], (slice(None), name)] = np.nan
        frame.loc[frame.index[:late], (slice(None), panel.tickers[-1])] = np.nan
        return replace(panel, frame=frame)

    return make


@pytest.fixture(scope="session")
def change_after() -> Callable[[Panel, int, int], Panel]:
    """Return a function that replaces every price after one session, and opens a few holes."""

    def change(panel: Panel, session: int, seed: int) -> Panel:
        rng = np.random.default_rng(seed)
        values = panel.frame.to_numpy().copy()  # (S, fields · U)
        later = values[session + 1 :]
        later *= np.exp(rng.normal(0, 0.3, later.shape))
        later[rng.random(later.shape) < 0.05] = np.nan
        frame = pd.DataFrame(values, index=panel.frame.index, columns=panel.frame.columns)
        return replace(panel, frame=frame)

    return change
