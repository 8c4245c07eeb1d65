"""`forecast audit`: try to catch a run's network looking into the future, on the user's prices."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from forecast.evaluation.audit import audit
from forecast.jobs.evaluating import open_run
from forecast.jobs.terminal import Terminal
from forecast.models.base import Forecaster
from forecast.prices import Panel
from forecast.training import NeuralForecaster
from forecast.windows import causal_features


def audit_run(run: Path, terminal: Terminal) -> bool:
    """Print what was tried and return whether no leak was found.

    The first cell of the run is trained again as the run's settings say, without telemetry, which
    changes no weight. Raises InputError when the prices are not those of the run.
    """
    settings, prepared, _ = open_run(run, terminal)
    settings = settings.model_copy(update={"telemetry": "off"})
    day = prepared.validation_start.date()
    terminal.heading(f"Auditing {settings.cell[0]}: four trainings, one on each kind of prices")

    def fit(panel: Panel, until: pd.Timestamp) -> Forecaster:
        network = NeuralForecaster(settings, settings.cell[0], settings.seed, day)
        network.fit(panel, until)
        bar.step()
        return network

    def inputs(panel: Panel) -> np.ndarray:
        return causal_features(panel).values.swapaxes(0, 1)  # (S, U, F)

    with terminal.stage("audit", 4) as bar:
        findings = audit(fit, prepared.panel, prepared.until, settings.scored_horizons, inputs)
    for finding in findings:
        terminal.result(f"  {finding}")
    passed = all(finding.passed for finding in findings)
    terminal.data(findings=[asdict(finding) for finding in findings], passed=passed)
    terminal.result("no leak was found" if passed else "there is a leak: do not trust the scores")
    terminal.path(run)
    return passed
