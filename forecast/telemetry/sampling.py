"""When to look inside a training step: two functions of one model, one that measures."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from forecast.layers import Monitor


class SampledSteps(keras.callbacks.Callback):
    """Lets monitors look at the first and then at every `every`-th training step of `fit`.

    A switch inside the graph would cost every step something. Here the model has two training
    functions, one traced with the monitors watching and one without, and each step takes its own:
    a step that is not looked at is the step of a model without monitors, bit for bit and in time.

        layer.attach(monitor := Monitor())
        model.fit(x, y, callbacks=[SampledSteps([monitor], every=10)])

    Args:
        monitors: what is attached to the layers of the model.
        every: steps between two looks.

    Raises ValueError when `every` is no whole number from 1 on.
    """

    def __init__(
        self,
        monitors: Sequence[Monitor],
        every: int = 10,
    ) -> None:
        super().__init__()
        if type(every) is not int or every < 1:
            raise ValueError(
                f"SampledSteps received every={every!r}. Expected a whole number, 1 or more: "
                "every=1 looks at each step, every=10 at one in ten."
            )
        self.monitors, self.every = monitors, every
        self.step = 0  #: steps done in this training
        self.paused = False  #: look at no step
        self.owed = False  #: look at the next step in any case
        self._functions: dict[bool, Any] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Make the two functions, unless an earlier `fit` left them; Keras traces them later."""
        self.step = 0
        if self._functions and self.model.train_function is self._functions[True]:
            return
        for look in (False, True):
            self.model.make_train_function(force=True)
            self._functions[look] = self.model.train_function

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Take the function that this step asks for."""
        together = self.model.steps_per_execution
        due = self.owed or -self.step % self.every < together
        self._take(due and not self.paused)
        self.owed = False
        self.step += together

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the model with monitors that watch every step."""
        self._take(True)

    def get_state(self) -> dict[str, int]:
        """Return the steps done, for a checkpoint."""
        return {"sampled_steps": self.step}

    def set_state(self, state: Mapping[str, int]) -> None:
        """Go on from a state, once Keras has begun the training: look when one would have looked.

        >>> sampled = SampledSteps([], every=10)
        >>> sampled.set_state({"sampled_steps": 25})
        >>> sampled.get_state()
        {'sampled_steps': 25}
        """
        self.step = state["sampled_steps"]

    def _take(self, look: bool) -> None:
        for monitor in self.monitors:
            monitor.watching = look
        if self.model.train_function is not self._functions[look]:  # Keras tracks what is set
            self.model.train_function = self._functions[look]
