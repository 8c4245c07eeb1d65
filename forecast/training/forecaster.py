"""NeuralForecaster: the network behind the interface of every forecaster."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import pandas as pd

from forecast.errors import InputError
from forecast.layers.lstm_cell import Ablation
from forecast.models.base import LEVELS, Forecaster
from forecast.models.covering import FORECAST_BATCH, covered_quantiles
from forecast.models.network import build_network
from forecast.prices.panel import Panel
from forecast.settings import Cell, OutputSettings, PriceSettings, Settings
from forecast.telemetry import GradientTelemetry
from forecast.training.batches import FIRST_EPOCH, TrainingBatches, ValidationBatches, prior_crps
from forecast.training.callbacks import Patience, ProgressReport, StepLog
from forecast.training.checkpoint import Checkpoint, Stateful
from forecast.training.diverging import FiniteGuard
from forecast.training.preparing import feature_statistics, make_probe
from forecast.training.pretrained import fine_tunable
from forecast.training.range_test import range_test_on_windows
from forecast.training.saved import load_network
from forecast.windows import BURN_IN, Windows, add_solo, build_windows

DEFAULTS = Settings()
#: Share of the sessions that validates when no date is given.
VALIDATION_SHARE = 0.2
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

        Raises InputError when there is nothing to train or to validate on.
        """
        past = panel.select(end=until)
        self.market_ = tuple(past.tickers)
        windows = build_windows(past, self.settings, self.market_)
        if self.settings.solo:
            windows = add_solo(windows, past)
        border = int(len(past.sessions) * (1 - VALIDATION_SHARE))
        if self.validation_start:
            border = int(past.sessions.searchsorted(pd.Timestamp(self.validation_start)))
        purge = self.settings.horizon
        train = (BURN_IN + self.settings.warmup, border - purge - 1)
        validation = (border, len(past.sessions) - purge - 1)
        if not len(windows.pool(train[1])) or validation[0] > validation[1]:
            raise InputError(
                f"nothing to train or validate on: {border} sessions before the validation part "
                f"and {len(past.sessions) - border} from there to {until:%Y-%m-%d}; lookback "
                f"{self.settings.lookback} + horizon {purge} must fit."
            )
        started = time.perf_counter()
        earlier = self._train(windows, train, validation)
        self.fit_seconds_ = time.perf_counter() - started + earlier
        return self

    def _train(
        self, windows: Windows, train: tuple[int, int], validation: tuple[int, int]
    ) -> float:
        """Train and keep what `fit` promises; return the seconds that were spent before a stop."""
        settings = self.settings
        keras.utils.set_random_seed(self.seed)
        self.network_ = self._network(windows, train[1])
        batches = TrainingBatches(
            windows, train, settings.batch_size, settings.steps_per_epoch, self.seed
        )
        held_out = ValidationBatches(windows, validation, FORECAST_BATCH)
        self._choose_rate(windows, train, validation)
        telemetry = self._telemetry(windows, validation)
        log = StepLog()
        stop = Patience(settings.patience)
        callbacks = [FiniteGuard(batches), log, stop]
        parts: dict[str, Stateful] = {"log": log, "patience": stop}
        if telemetry:  # after these: it looks at the restored weights
            callbacks.append(telemetry)
            parts["telemetry"] = telemetry
        if self.report:
            self.report.telemetry = telemetry
            callbacks.append(self.report)
        done, epochs = 0, settings.epochs
        if self.checkpoint:
            say = self.report.say if self.report else print
            saved = Checkpoint(self.checkpoint, self._key(windows, train, validation), parts, say)
            callbacks.append(saved)
            done, epochs = saved.epochs_done, saved.epochs_done if saved.finished else epochs
            if done and self.report:
                self.report.skip(settings.steps_per_epoch, done)
        batches.epoch = FIRST_EPOCH + done
        try:
            self.network_.fit(
                batches,
                steps_per_epoch=batches.steps,
                validation_data=held_out,
                initial_epoch=done,
                epochs=epochs,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )
        finally:
            if telemetry:
                telemetry.close()
        self.history_ = log.history
        self.prior_crps_ = prior_crps(held_out)
        self.telemetry_ = telemetry.frame if telemetry else None
        self.left_out_ = telemetry.left_out if telemetry else {}
        self.alerts_ = [alert._asdict() for alert in telemetry.alerts] if telemetry else []
        self.first_losses_ = log.first_losses
        self.step_ms_ = log.step_ms
        return log.earlier

    def _network(self, windows: Windows, last_origin: int) -> keras.Model:
        if self.settings.from_pretrained:
            return fine_tunable(self.settings, self.seed)
        statistics = feature_statistics(windows, last_origin)
        return build_network(self.settings, self.cell, statistics, self.seed)

    def _choose_rate(
        self, windows: Windows, train: tuple[int, int], validation: tuple[int, int]
    ) -> None:
        if self.settings.lr == "auto":
            spent = self._network(windows, train[1])
            self.range_test_ = range_test_on_windows(spent, windows, train, validation, self.seed)
            self.network_.optimizer.learning_rate.assign(self.range_test_.chosen)
        self.lr_ = float(self.network_.optimizer.learning_rate)

    def _telemetry(self, windows: Windows, origins: tuple[int, int]) -> GradientTelemetry | None:
        preset, every = self.settings.telemetry, self.settings.telemetry_every
        if preset == "off":
            return None
        return GradientTelemetry(preset, every, make_probe(windows, origins), say=None)

    def _key(self, windows: Windows, *origins: tuple[int, int]) -> str:
        """What the training is: settings that change it, and every number it sees."""
        chosen = self.settings.model_dump(
            mode="json", exclude={*OutputSettings.model_fields, *PriceSettings.model_fields, "cell"}
        )
        digest = hashlib.sha256(f"{self.cell} {self.seed} {chosen} {origins}".encode())
        for array in (windows.features, windows.volatility, windows.level):
            for row in array:  # a copy of all of it would not fit everywhere
                digest.update(row.tobytes())
        return digest.hexdigest()

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
