"""NeuralForecaster: the network behind the interface of every forecaster."""

import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import pandas as pd

from forecast.layers.lstm_cell import Ablation
from forecast.models.base import LEVELS, Forecaster
from forecast.models.covering import covered_quantiles
from forecast.models.network import FeatureStatistics, build_network
from forecast.prices.panel import Panel
from forecast.settings import Cell, Settings
from forecast.training.callbacks import ProgressReport
from forecast.training.checkpoint import put_back
from forecast.training.fitting import fit_network
from forecast.training.outcome import Outcome, State, outcome_of, save_outcome
from forecast.training.preparing import feature_statistics, training_data, training_key
from forecast.training.pretrained import fine_tunable
from forecast.training.range_test import range_test_on_windows
from forecast.training.saved import load_network
from forecast.windows import Windows, build_windows

DEFAULTS = Settings()
#: Origins whose quantiles are in memory at once, where they come in parts: 10 MB of them; with more
#: the system hands out fresh pages for each part, at a fifth of the time and 200 MB.
PART_ROWS = 8_000


class NeuralForecaster(Forecaster):
    """One network for all tickers, trained on the sessions before `validation_start`.

    Args:
        settings: all settings of the run.
        cell: the recurrent layer, or an ablation of it.
        seed: seed of weights, dropout and batches.
        validation_start: first session of the validation part, which decides when to stop
            (default: the last fifth of the sessions).
        report: shows the progress of the training.
        checkpoint: folder in which every epoch is saved, and from which a `fit` that was stopped
            goes on.

    After `fit`: ``network_``, ``market_`` (tickers trained on), ``history_`` (epoch, loss,
    val_loss, seconds since the start), ``prior_crps_`` (validation CRPS of the EWMA-t the network
    starts from), ``telemetry_`` (frame, None when it is off), ``alerts_`` (what it found wrong),
    ``first_losses_`` (of the first two steps), ``fit_seconds_``, ``step_ms_``, ``lr_``; with
    ``lr="auto"`` ``range_test_``. Losses are CRPS in
    volatilities.
    """

    def __init__(
        self,
        settings: Settings = DEFAULTS,
        cell: Cell | Ablation = "lstm",
        seed: int = 0,
        validation_start: date | None = None,
        report: ProgressReport | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        self.settings = settings
        self.cell = cell
        self.seed = seed
        self.validation_start = validation_start
        self.report = report
        self.checkpoint = checkpoint

    @property
    def name(self) -> str:
        """The recurrent layer."""
        return self.cell

    @property
    def sees_market(self) -> bool:
        """The mean of all tickers is among its inputs."""
        return True

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Train on the sessions before `validation_start`, stop by those from there to `until`.

        Raises InputError when there is nothing to train or to validate on, and for checkpoints of
        another training.
        """
        settings = self.settings
        data = training_data(settings, panel, until, self.validation_start)
        began = time.perf_counter()
        keras.utils.set_random_seed(self.seed)
        statistics = None
        if not settings.from_pretrained:
            statistics = feature_statistics(data.windows, data.train[1])
        network, test = self._network(statistics), None
        if settings.lr == "auto":
            test = range_test_on_windows(self._network(statistics), data, self.seed)
            network.optimizer.learning_rate.assign(test.chosen)
        folder, saved = self.checkpoint, None
        if folder:
            saved = (folder, training_key(settings, self.cell, self.seed, data))
        fitted = fit_network(network, settings, data, self.seed, self.report, saved)
        seconds = time.perf_counter() - began + fitted.log.earlier
        outcome = Outcome(fitted, seconds, statistics, test)
        if saved:
            say = self.report.say if self.report else print
            save_outcome(*saved, network, outcome, say)
        return self._keep(network, data.market, outcome)

    def take_over(self, state: State, folder: Path, market: Sequence[str]) -> Self:
        """Become what a `fit` of the same settings, cell and seed on the tickers `market` became.

        `state` is what `read_outcome` read of it in `folder`; whether it is of the same training,
        `check_key` says. Raises InputError when its weights have other shapes.
        """
        outcome = outcome_of(state)
        network = self._network(outcome.statistics)
        put_back(network, state["variables"], folder)
        return self._keep(network, market, outcome)

    def _keep(self, network: keras.Model, market: Sequence[str], outcome: Outcome) -> Self:
        """Keep what `fit` promises."""
        log, telemetry, self.prior_crps_ = outcome.fitted
        self.network_, self.market_ = network, tuple(market)
        self.history_, self.first_losses_ = log.history, log.first_losses
        self.telemetry_ = telemetry.frame if telemetry else None
        self.left_out_ = telemetry.left_out if telemetry else {}
        self.alerts_ = [alert._asdict() for alert in telemetry.alerts] if telemetry else []
        self.fit_seconds_, self.step_ms_ = outcome.seconds, log.step_ms
        self.lr_ = float(network.optimizer.learning_rate)
        if outcome.range_test:
            self.range_test_ = outcome.range_test
        return self

    def _network(self, statistics: FeatureStatistics | None) -> keras.Model:
        if statistics is None:
            return fine_tunable(self.settings, self.seed)
        return build_network(self.settings, self.cell, statistics, self.seed)

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles (N, H, Q) of the log return; all origins in one pass over the series."""
        windows = build_windows(panel, self.settings, self.market_)
        return self._quantiles(windows, panel.locate(cutoffs), horizons, levels)

    def forecast_parts(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
        rows: int = PART_ROWS,
        windows: Windows | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield row numbers (n,) of `cutoffs` and their quantiles (n, H, Q), part by part.

        For more origins than memory has room for; sorted by ticker, they cost the least. `windows`
        are those of the panel, where they have been built before.
        """
        windows = windows or build_windows(panel, self.settings, self.market_)
        session, ticker = panel.locate(cutoffs)
        for start in range(0, len(cutoffs), rows):
            part = np.arange(start, min(start + rows, len(cutoffs)))
            place = (session[part], ticker[part])
            yield part, self._quantiles(windows, place, horizons, levels)

    def _quantiles(
        self,
        windows: Windows,
        place: tuple[np.ndarray, np.ndarray],
        horizons: tuple[int, ...],
        levels: np.ndarray,
    ) -> np.ndarray:
        return covered_quantiles(self._parameters, windows, place, horizons, levels)

    def _parameters(self, features: np.ndarray) -> np.ndarray:
        """Parameters (B, 1, O, K, 4) of the quantile functions, from windows (B, T, F)."""
        return np.asarray(self.network_.predict_on_batch(features))[:, None]

    def save(self, path: Any) -> None:
        """Write the network as a ``.keras`` file."""
        self.network_.save(path)

    def load(self, path: Any, market: Sequence[str]) -> Self:
        """Read the network of an earlier `fit` on the tickers `market`.

        Only layers of this project and of Keras load; InputError for anything else.
        """
        self.market_ = tuple(market)
        self.network_ = load_network(path)
        return self
