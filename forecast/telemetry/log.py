"""What was measured and what was said of it: rows of the telemetry frame, and alerts."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from forecast.layers import Reading
from forecast.telemetry import quantities
from forecast.telemetry.quantities import GATES
from forecast.telemetry.rules import Finding

#: Columns of the telemetry frame.
COLUMNS = ("step", "epoch", "layer", "quantity", "gate", "lag_sessions", "value")


class Alert(NamedTuple):
    """A finding, and when it was first made; step and epoch count from 1, 0 is before training."""

    kind: str
    text: str
    value: float
    step: int
    epoch: int
    layer: str = ""
    gate: str = ""
    lag_sessions: int | None = None


class TelemetryLog:
    """Collects rows and alerts; `step` and `epoch` are those of the rows to come."""

    def __init__(self) -> None:
        self.step = self.epoch = 0
        self.rows: list[tuple[Any, ...]] = []
        self.alerts: list[Alert] = []
        self.left_out: dict[str, str] = {}
        self.headline: dict[str, float] = {}
        self._fresh: list[str] = []

    @property
    def frame(self) -> pd.DataFrame:
        """Everything measured so far, long: `COLUMNS`."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS))

    def add(
        self,
        quantity: str,
        value: float,
        layer: str = "",
        gate: str = "",
        lag: int | None = None,
        step: int | None = None,
    ) -> None:
        """Add one value."""
        step = self.step if step is None else step
        self.rows.append((step, self.epoch, layer, quantity, gate, lag, float(value)))

    def add_by_lag(self, quantity: str, by_lag: np.ndarray, layer: str, gate: str = "") -> None:
        """Add a value for each lag 0 … L − 1."""
        for lag, value in enumerate(by_lag.tolist()):
            self.add(quantity, value, layer, gate, lag)

    def add_reading(self, name: str, reading: Reading) -> None:
        """Add what a training step (or a probe) showed of a layer, without what goes by lag."""
        for k, gate in enumerate(GATES):
            self.add("gate_mean", reading.gate_mean[:, k].mean(), name, gate)
            shut, opened = reading.gate_shut[:, k].mean(), reading.gate_open[:, k].mean()
            self.add("gate_shut", shut, name, gate)
            self.add("gate_saturation", shut + opened, name, gate)
            pull = float(np.sqrt((reading.z_gradient[:, k] ** 2).sum()))
            self.add("gate_gradient_norm", pull, name, gate)
        scale = quantities.forget_time_scale(reading.forget_mean)  # (U,)
        self.add("forget_time_scale", float(np.median(scale)), name, "forget")
        self.add("longest_time_scale", float(scale.max()), name, "forget")
        share = quantities.carousel_share(reading.carousel_gradient, reading.gated_gradient)
        self.add("carousel_share", share, name)
        self.add("cell_rms", float(reading.c_rms[-1]), name)
        self.add("cell_drift", quantities.cell_drift(reading.c_rms), name)

    def alert(self, finding: Finding | None) -> None:
        """Keep a finding, unless one of its kind was made of the same layer and gate before."""
        if finding is None:
            return
        kind, value, text, layer, gate, lag = finding
        if (kind, layer, gate) in {(a.kind, a.layer, a.gate) for a in self.alerts}:
            return
        alert = Alert(kind, text, float(value), self.step, self.epoch, layer, gate, lag)
        self.alerts.append(alert)
        self._fresh.append(f"{kind}: {text}")
        self.add(f"alert: {kind}", value, layer, gate, lag)

    def leave_out(self, what: str, why: object) -> None:
        """Name, once, what cannot be measured."""
        if what not in self.left_out:
            self.left_out[what] = str(why)
            self._fresh.append(f"not measured: {what} ({why})")

    def attempt(self, what: str, measure: Callable[..., None], *args: Any) -> None:
        """Measure; what fails is named once and left out from then on: training goes on."""
        if what in self.left_out:
            return
        try:
            measure(*args)
        except Exception as error:
            first_line = str(error).strip().partition("\n")[0]
            self.leave_out(what, f"{type(error).__name__}: {first_line}")

    def get_state(self) -> dict[str, Any]:
        """Return everything measured so far, as arrays and plain values, for a checkpoint."""
        frame = self.frame
        state: dict[str, Any] = {"step_now": self.step, "epoch_now": self.epoch}
        for name in ("layer", "quantity", "gate"):
            codes, words = pd.factorize(frame[name])
            state |= {name: codes.astype(np.int32), f"{name}_words": list(words)}
        for name in ("step", "epoch", "lag_sessions", "value"):
            state[name] = frame[name].to_numpy(float)
        alerts = [list(alert) for alert in self.alerts]
        return {**state, "alerts": alerts, "left_out": self.left_out, "headline": self.headline}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state: forget what was measured since, and number on."""
        self.step, self.epoch = state["step_now"], state["epoch_now"]
        self.headline.clear()
        self.headline.update(state["headline"])
        self.left_out = dict(state["left_out"])
        self.alerts[:] = [Alert(*alert) for alert in state["alerts"]]
        words = {
            n: [state[f"{n}_words"][k] for k in state[n]] for n in ("layer", "quantity", "gate")
        }
        lags = [None if np.isnan(lag) else int(lag) for lag in state["lag_sessions"]]
        steps, epochs = state["step"].astype(int).tolist(), state["epoch"].astype(int).tolist()
        columns = (steps, epochs, words["layer"], words["quantity"], words["gate"])
        self.rows[:] = zip(*columns, lags, state["value"].tolist(), strict=True)
        self._fresh.clear()

    def take_fresh(self) -> list[str]:
        """What there is to say since the last call, in words."""
        fresh, self._fresh = self._fresh, []
        return fresh
