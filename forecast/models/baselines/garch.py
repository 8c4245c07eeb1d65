"""GARCH(1,1) and GJR with Student-t likelihood and filtered historical simulation."""

import math
import zlib
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from forecast.models.base import LEVELS, Forecaster
from forecast.prices.panel import Panel
from forecast.windows.features import BURN_IN, log_returns

#: Fewest returns of one ticker from which its own parameters are estimated.
MIN_RETURNS = 250
#: Equal closes in a row that are no trading: their likelihood has no bound.
FLAT_RUN = 5
#: Residuals whose deviation is outside this range come from a fit that failed.
RESIDUAL_STD = (0.5, 2.0)
#: Quantiles of the residuals of all tickers that are kept.
POOLED = 4000


class GarchParameters(NamedTuple):
    """``σ²_{t+1} = ω + (α + γ·1[e_t < 0]) e²_t + β σ²_t`` of returns over their deviation."""

    mean: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    backcast: float  # stands for e² and σ² before the first session


class Paths(NamedTuple):
    """P shocks of unit variance, and what puts them into another order at each session."""

    shocks: np.ndarray  # (P,)
    rng: np.random.Generator


class Garch(Forecaster):
    """GARCH(1,1), or GJR when `asymmetric`, fitted per ticker by arch on returns up to `until`.

    The distribution of the next h sessions comes from `paths` simulated paths whose shocks are
    the standardised residuals of the training period (filtered historical simulation). Sessions
    without a return leave the variance as it was; runs of five equal closes and more are left
    out of the fit. A ticker with fewer than 250 training returns, or whose fit failed, takes the
    median parameters and the pooled residuals of the others. Before 20 returns the forecast is
    NaN, and everywhere when no ticker could be fitted.

    References:
        Bollerslev, T. (1987). A conditionally heteroskedastic time series model for speculative
        prices and rates of return.
        Glosten, L., Jagannathan, R. and Runkle, D. (1993). On the relation between the expected
        value and the volatility of the nominal excess return on stocks.
        Barone-Adesi, G., Giannopoulos, K. and Vosper, L. (1999). VaR without correlations for
        portfolios of derivative securities.
    """

    def __init__(self, asymmetric: bool = False, paths: int = 10_000, seed: int = 0):
        self.asymmetric = asymmetric
        self.paths = paths
        self.seed = seed

    @property
    def name(self) -> str:
        """``gjr`` when asymmetric, else ``garch-t``."""
        return "gjr" if self.asymmetric else "garch-t"

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Estimate parameters and residuals of each ticker, and those of a typical one."""
        past = log_returns(panel).loc[:until]
        self.scale_: dict[str, float] = {}
        self.parameters_: dict[str, GarchParameters] = {}
        self.residuals_: dict[str, np.ndarray] = {}
        for ticker in panel.tickers:
            returns = without_flat_runs(past[ticker].dropna().to_numpy())
            if len(returns) < MIN_RETURNS or not returns.std() > 0:
                continue
            parameters, residuals = fit_garch(returns / returns.std(), self.asymmetric)
            if RESIDUAL_STD[0] < residuals.std() < RESIDUAL_STD[1]:
                self.scale_[ticker] = float(returns.std())
                self.parameters_[ticker], self.residuals_[ticker] = parameters, residuals
        if self.parameters_:
            everyone = np.concatenate(list(self.residuals_.values()))
            self.pooled_residuals_ = np.quantile(everyone, _middles(POOLED))
            medians = np.median(list(self.parameters_.values()), axis=0)
            self.typical_ = GarchParameters(*(float(value) for value in medians))
            self.typical_scale_ = float(np.mean(list(self.scale_.values())))
        return self

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles ``(N, H, Q)`` of the simulated cumulative returns."""
        session, ticker = panel.locate(cutoffs)
        quantiles = np.full((len(cutoffs), len(horizons), len(levels)), np.nan, np.float32)
        if not self.parameters_:
            return quantiles
        returns, names = log_returns(panel), panel.tickers
        enough = (returns.notna().cumsum() >= BURN_IN).to_numpy()
        for u in np.unique(ticker):
            rows = np.flatnonzero((ticker == u) & enough[session, ticker])
            if not rows.size:
                continue
            name = names[u]
            parameters = self.parameters_.get(name, self.typical_)
            scale = self.scale_.get(name, self.typical_scale_)
            variance = next_variance(returns[name].to_numpy() / scale, parameters)
            drift = parameters.mean * np.asarray(horizons)[:, None]
            paths = self.paths_of(name)
            shocks = simulate_quantiles(
                parameters, paths, variance[session[rows]], horizons, levels
            )
            quantiles[rows] = scale * (drift + shocks)
        return quantiles

    def paths_of(self, name: str) -> Paths:
        """The paths that are simulated for a ticker: its residuals, or those of all."""
        residuals = self.residuals_.get(name, self.pooled_residuals_)
        rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        return Paths(np.quantile(residuals, _middles(self.paths)), rng)


def without_flat_runs(returns: np.ndarray) -> np.ndarray:
    """Returns (S,) without runs of `FLAT_RUN` zeros and more."""
    moved = returns != 0
    run = np.cumsum(moved)  # the same number from one move to the next
    zeros = np.bincount(run[~moved], minlength=run[-1] + 1 if len(run) else 1)
    return returns[moved | (zeros[run] < FLAT_RUN)]


def fit_garch(returns: np.ndarray, asymmetric: bool) -> tuple[GarchParameters, np.ndarray]:
    """Estimate by maximum likelihood from returns of unit variance; also the residuals."""
    from arch import arch_model

    model = arch_model(
        returns, mean="Constant", vol="GARCH", o=int(asymmetric), dist="t", rescale=False
    )
    result = model.fit(disp="off", show_warning=False)
    value = dict(result.params)
    parameters = GarchParameters(
        mean=float(value["mu"]),
        omega=float(value["omega"]),
        alpha=float(value["alpha[1]"]),
        gamma=float(value.get("gamma[1]", 0.0)),
        beta=float(value["beta[1]"]),
        backcast=float(model.volatility.backcast(returns - returns.mean())),
    )
    return parameters, np.asarray(result.std_resid)


def next_variance(returns: np.ndarray, parameters: GarchParameters) -> np.ndarray:
    """Variance (S,) of the session after each one, from returns (S,) up to it."""
    mean, omega, alpha, gamma, beta, backcast = parameters
    variance = omega + (alpha + gamma / 2 + beta) * backcast
    following = np.empty(len(returns))
    for t, shock in enumerate((returns - mean).tolist()):
        if not math.isnan(shock):  # no news leaves the variance as it was
            variance = omega + (alpha + gamma * (shock < 0)) * shock**2 + beta * variance
        following[t] = variance
    return following


def simulate_quantiles(
    parameters: GarchParameters,
    paths: Paths,
    variance: np.ndarray,
    horizons: tuple[int, ...],
    levels: np.ndarray,
) -> np.ndarray:
    """Quantiles (N, H, Q) of the cumulative shocks that follow the next variances (N,).

    The future of a GARCH depends on the past through one number, the next variance. So paths
    are simulated from the nodes of a grid of 64 of them, and not for every origin; in between,
    quantiles over the volatility are linear in the log of the variance. All nodes use the same
    shocks, which makes the quantiles smooth in the variance, and one session ahead they are exact.
    Nodes beside which there is no variance are left out.
    """
    log_variance = np.linspace(np.log(1e-3), np.log(1e3), 64)
    step = log_variance[1] - log_variance[0]
    place = np.clip((np.log(variance) - log_variance[0]) / step, 0, len(log_variance) - 1)
    node = np.minimum(place.astype(int), len(log_variance) - 2)
    share = (place - node)[:, None, None]
    used = np.union1d(node, node + 1)
    start = np.exp(log_variance)[used, None]  # (G, 1)
    over_sigma = _simulated(parameters, paths, start, horizons, levels) / np.sqrt(start)[:, :, None]
    at = np.searchsorted(used, node)
    low, high = over_sigma[at], over_sigma[at + 1]  # both nodes of each are there
    return np.sqrt(variance)[:, None, None] * (low + share * (high - low))


def _simulated(
    parameters: GarchParameters,
    paths: Paths,
    start: np.ndarray,
    horizons: tuple[int, ...],
    levels: np.ndarray,
) -> np.ndarray:
    """Quantiles (G, H, Q) of the cumulative shocks from starting variances (G, 1)."""
    _, omega, alpha, gamma, beta, _ = parameters
    variance = np.repeat(start, len(paths.shocks), axis=1)  # (G, P)
    total, moved = np.zeros_like(variance), np.empty_like(variance)
    at_horizon = {}
    for step in range(1, max(horizons) + 1):
        shock = paths.rng.permutation(paths.shocks)
        np.sqrt(variance, out=moved)
        moved *= shock
        total += moved
        variance *= (alpha + gamma * (shock < 0)) * shock**2 + beta
        variance += omega
        if step in horizons:
            ordered = np.sort(total, axis=1)  # found sooner in what is sorted
            at_horizon[step] = np.quantile(ordered, levels, axis=1, overwrite_input=True).T
    return np.stack([at_horizon[h] for h in horizons], axis=1)


def _middles(count: int) -> np.ndarray:
    return (np.arange(count) + 0.5) / count
