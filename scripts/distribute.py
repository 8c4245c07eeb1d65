"""One network on one device, on two of a process and on two processes: are the losses equal?

python scripts/distribute.py [--steps 24]

The LSTM of this project in a small Keras model, the same batches everywhere; `tf.distribute` cuts
each batch in two. Keras's `fit` runs under MirroredStrategy. Under MultiWorkerMirroredStrategy it
fails for every model (keras-team/keras#20585), so there the step is the short loop `train` below,
which works under each strategy. On machines of your own, start it on every one with TF_CONFIG set
(https://www.tensorflow.org/guide/distributed_training#TF_CONFIG) and `--one workers`.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import Any

import numpy as np

BATCH, TIMESTEPS, FEATURES, UNITS = 64, 40, 6, 16
#: Largest difference of a loss that is still "equal": sums in another order, in single precision.
TOLERANCE = 1e-6
#: What is compared, and how it is told.
KINDS = {
    "one": "one device, fit",
    "mirrored": "MirroredStrategy, two devices, fit",
    "workers": "MultiWorkerMirroredStrategy, two processes, loop",
}


def main() -> None:
    """Train in every way and print the losses; exit with 1 when they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--one", choices=KINDS, help="train in one way, in this process")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(losses_of(arguments.one, arguments.steps)))
        return
    found = {kind: started(kind, arguments.steps) for kind in KINDS}
    expected = np.array(found["one"])
    worst = 0.0
    for kind, losses in found.items():
        apart = float(np.max(np.abs(np.array(losses) / expected - 1)))
        worst = max(worst, apart)
        print(f"{KINDS[kind]:<50} loss {losses[0]:.6f} … {losses[-1]:.6f}, apart {apart:.0e}")
    equal = worst < TOLERANCE
    print(f"equal within {TOLERANCE:.0e}: {'yes' if equal else 'NO'}")
    sys.exit(not equal)


def started(kind: str, steps: int) -> list[float]:
    """Losses by step of a training in processes of its own."""
    command = [sys.executable, __file__, "--one", kind, "--steps", str(steps)]
    addresses = free_addresses(2) if kind == "workers" else [""]
    with ExitStack() as stack:
        workers = []
        for index in range(len(addresses)):
            task = {"type": "worker", "index": index}
            cluster = {"cluster": {"worker": addresses}, "task": task}
            environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
            if kind == "workers":
                environment["TF_CONFIG"] = json.dumps(cluster)
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            stack.callback(process.kill)
            workers.append(process)
        told = [process.communicate(timeout=300) for process in workers]
    for process, (_, errors) in zip(workers, told, strict=True):
        if process.returncode:
            sys.exit(f"{KINDS[kind]} failed:\n{errors[-2000:]}")
    every = [json.loads(output.splitlines()[-1]) for output, _ in told]
    if any(losses != every[0] for losses in every):
        sys.exit(f"{KINDS[kind]}: the processes do not agree: {every}")
    return every[0]


def free_addresses(count: int) -> list[str]:
    """Addresses on this machine that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def losses_of(kind: str, steps: int) -> list[float]:
    """Losses by step of a training in this process."""
    strategy = strategy_of(kind)  # before anything starts TensorFlow's devices
    import keras
    import tensorflow as tf

    from forecast.layers import LSTM

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH * steps, TIMESTEPS, FEATURES)).astype(np.float32)
    y = 0.1 * x[:, :, :1].sum(axis=1)
    options = tf.data.Options()
    # each process reads all of it and takes its part of every batch
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).with_options(options)
    with strategy.scope():
        inputs = keras.Input((TIMESTEPS, FEATURES))
        model = keras.Model(inputs, keras.layers.Dense(1)(LSTM(UNITS)(inputs)))
        model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
        if kind == "workers":
            return train(model, data, strategy)
        history = model.fit(data.repeat(), epochs=steps, steps_per_epoch=1, verbose=0)
        return history.history["loss"]


def strategy_of(kind: str) -> Any:
    """TensorFlow's strategy for a way to train."""
    import tensorflow as tf

    if kind == "workers":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if kind == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return tf.distribute.get_strategy()


def train(model: Any, data: Any, strategy: Any) -> list[float]:
    """Train one pass over `data` (batches of BATCH windows) under a strategy; losses by step."""
    import tensorflow as tf

    model.optimizer.build(model.trainable_variables)

    @tf.function
    def step(batch: Any) -> Any:
        def replica(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum((model(x, training=True) - y) ** 2) / BATCH
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply(gradients, model.trainable_variables)  # sums over the replicas
            return loss

        return strategy.reduce("SUM", strategy.run(replica, args=batch), axis=None)

    return [float(step(batch)) for batch in strategy.experimental_distribute_dataset(data)]


if __name__ == "__main__":
    main()
