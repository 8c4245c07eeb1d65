"""What is measured inside the training step: norms, clipping, and the gates of our LSTM."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from forecast.layers import LSTM, Monitor
from forecast.telemetry import rules
from forecast.telemetry.log import TelemetryLog
from forecast.telemetry.quantities import update_ratio
from forecast.telemetry.sampling import SampledSteps
from forecast.telemetry.tap import GradientTap, Taken


class StepNorms:
    """Norms of gradients, weights and updates; spikes, clipping and what is not finite."""

    def __init__(self, log: TelemetryLog, every: int) -> None:
        self.log, self.every, self._tap = log, every, GradientTap()

    def open(self, model: keras.Model) -> None:
        """Put the tap on the optimizer, before Keras traces its training step.

        Raises ValueError for a model on several replicas, as of `tf.distribute.MirroredStrategy`.
        """
        self._of_epoch: list[np.ndarray] = []  # global norm and whether clipped, (2, n)
        if (replicas := model.distribute_strategy.num_replicas_in_sync) > 1:
            raise ValueError(
                f"the model learns on {replicas} replicas, and each knows the gradient of its own "
                "part of the batch alone; train on one device to watch it"
            )
        weights = model.trainable_variables
        self._spike = rules.SpikeRule()
        self._update = rules.UpdateRule(["bias" not in weight.name for weight in weights])
        self._steps_per_call = model.steps_per_execution
        # Twice what is read at a time: a read may come a call late.
        self._tap.ring = 2 * max(self.every, self._steps_per_call)
        self._tap.open(model.optimizer, weights)

    def close(self) -> None:
        """Take the tap off."""
        self._tap.close()

    def begin(self) -> None:
        """Remember the weights: the next call of the training function is measured."""
        if "gradient norms" not in self.log.left_out:
            self._tap.snapshot()

    def end(self) -> None:
        """Add what the call did to every weight, of several steps the mean."""
        log = self.log
        if self._tap.failed:
            log.leave_out("gradient norms", self._tap.failed)
        taken = self.read()
        if taken is None or not len(taken.gradient):  # a loss scale may leave a step out
            return
        gradient, (weight, update) = taken.gradient[-1], self._tap.moved()
        log.headline["gradient_norm"] = float(taken.whole[-1])
        log.add("global_norm", log.headline["gradient_norm"])
        ratio = update_ratio(update, weight) / self._steps_per_call
        for k, name in enumerate(self._tap.names):
            log.add("norm", gradient[k], name)
            if weight[k] > 0:  # of a bias that begins at zero there is no ratio
                log.add("update_ratio", ratio[k], name)
        for finding in self._update(ratio, self._tap.names):
            log.alert(finding)

    def read(self) -> Taken | None:
        """Judge the global norms of all steps since the last call, and return them."""
        if "gradient norms" in self.log.left_out:
            return None
        taken = self._tap.take()
        whole = taken.whole
        self._of_epoch.append(np.stack([whole, taken.clipped]))
        steps = range(self.log.step - len(whole) + 1, self.log.step + 1)
        for step, norm, gradient in zip(steps, whole.tolist(), taken.gradient, strict=True):
            if np.isfinite(norm):
                self.log.alert(self._spike(step, norm))
            else:
                self.log.alert(rules.not_finite(step, gradient, self._tap.names))
        return taken

    def end_epoch(self) -> None:
        """Say which share of the epoch's steps was clipped, if the optimizer clips at all."""
        self.read()
        steps = np.concatenate(self._of_epoch or [np.empty((2, 0))], axis=1)
        self._of_epoch = []
        if self._tap.clips and steps.size:
            norm, share = steps.mean(axis=1).tolist()
            self.log.headline["clipped_share"] = share
            self.log.add("clipped_share", share)
            self.log.alert(rules.clipping(share, norm))

    def get_state(self) -> dict[str, Any]:
        """Return what the rules remember."""
        return {"spike": self._spike.memory, "odd": self._update.odd}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, with as many steps done as the log says."""
        self._spike.memory, self._update.odd = list(state["spike"]), state["odd"]


class StepGates:
    """Gates, their gradients and the cell state of our LSTM layers on the training batches."""

    def __init__(self, log: TelemetryLog, every: int) -> None:
        self.log, self.every = log, every
        self.monitors: dict[str, Monitor] = {}
        self._sampler: SampledSteps | None = None

    def open(self, model: keras.Model, layers: dict[str, keras.layers.RNN]) -> None:
        """Attach a monitor to every layer of `forecast.layers.LSTM` that can bear one."""
        self._sampler = None
        self._layers, self._last = layers, dict[str, int]()
        for name, layer in layers.items():
            if isinstance(layer, LSTM):
                self.log.attempt(f"gates of {name}", self._attach, model, name)
        if self.monitors:
            self._sampler = SampledSteps(list(self.monitors.values()), self.every)
            self._sampler.set_model(model)

    def _attach(self, model: keras.Model, name: str) -> None:
        if model.jit_compile:
            raise ValueError(
                "the model is compiled with jit_compile=True, which hides what happens in the "
                "layer; use jit_compile=False: the layer compiles itself"
            )
        monitor = Monitor()
        self._layers[name].attach(monitor)
        self.monitors[name] = monitor

    def close(self) -> None:
        """Let the layers go."""
        for name in self.monitors:
            self._layers[name].detach()
        self.monitors = {}

    def read(self) -> None:
        """Take what the last sampled step showed."""
        for name in self.monitors:
            self.log.attempt(f"gates of {name}", self._read, name)

    def begin(self) -> None:
        """Make the training functions with and without monitors."""
        if self._sampler:
            self._sampler.on_train_begin()

    def begin_epoch(self, look: bool) -> None:
        """Look at the first step of an epoch that is read, and at none of one that is not."""
        if self._sampler:
            self._sampler.paused, self._sampler.owed = not look, look

    def step(self, batch: int) -> None:
        """Take the training function that the step to come asks for."""
        if self._sampler:
            self._sampler.on_train_batch_begin(batch)

    def get_state(self) -> dict[str, int]:
        """Return how many steps the monitors were led through."""
        return self._sampler.get_state() if self._sampler else {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Look at the steps one would have looked at without the stop."""
        if self._sampler:
            self._sampler.set_state(state)

    def _read(self, name: str) -> None:
        reading = self.monitors[name].read()
        # nothing trained (a resumed run that was done), or an epoch shorter than the cadence
        if reading is None or reading.seen == self._last.get(name):
            return
        self._last[name] = reading.seen
        self.log.add_reading(name, reading)
        self.log.headline["forget_mean"] = float(reading.gate_mean[:, 1].mean())
        for finding in rules.gates(name, reading):
            self.log.alert(finding)
        self.log.alert(rules.cell_growth(name, reading))
