"""The training loop that bench_scale.py times: what is spent waiting for data, what cutting it."""

import time
from typing import Any

#: Steps before the clock starts: what was fetched ahead while others had their turn is used up.
AHEAD = 20


class Loop:
    """The loop of `fit` over a data set, step by step, so that waiting can be told from work."""

    def __init__(self, network: Any, data: Any) -> None:
        import tensorflow as tf

        self.iterator = iter(data.prefetch(tf.data.AUTOTUNE))
        self.step = tf.function(network.train_step, jit_compile=network.jit_compile)
        self.run(AHEAD)

    def run(self, steps: int) -> dict[str, float]:
        """Time of a window and share of waiting over some steps; processor time of all."""
        waited, windows, worked = 0.0, 0, time.process_time()
        for _ in range(AHEAD):
            self.step(next(self.iterator))
        began = time.perf_counter()
        for _ in range(steps):
            asked = time.perf_counter()
            batch = next(self.iterator)
            waited += time.perf_counter() - asked
            self.step(batch)
            windows += len(batch[0])
        total = time.perf_counter() - began
        return {
            "waiting_share": waited / total,
            "loop_us_per_window": 1e6 * total / windows,
            "processor_s": time.process_time() - worked,
        }


def as_data_set(batches: Any) -> Any:
    """The data set that `fit` makes of our batches."""
    import tensorflow as tf

    return tf.data.Dataset.from_generator(
        lambda: iter(batches),
        output_signature=tuple(tf.TensorSpec(part.shape, part.dtype) for part in batches[0]),
    )


def always_ready(batch: Any) -> Any:
    """A data set of one batch again and again: all it takes is handing it over."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(tuple(map(tf.constant, batch))).repeat()


def timed_batches() -> Any:
    """Our batches, which sum up the processor time of the thread that cuts them."""
    from forecast.training.batches import TrainingBatches

    class Timed(TrainingBatches):
        cutting_s = 0.0

        def cut(self, epoch: int, step: int) -> Any:
            began = time.thread_time()
            batch = super().cut(epoch, step)
            self.cutting_s += time.thread_time() - began
            return batch

    return Timed
