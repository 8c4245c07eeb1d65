"""The GPU, if there is one: tried before it is trusted. And sums in one order."""

import subprocess
import sys
from contextlib import suppress
from functools import cache

import tensorflow as tf

#: Run in a process of its own: a GPU that fails takes the process with it.
TRIAL = "import tensorflow as tf; x = tf.ones((8, 8)); assert float(tf.reduce_sum(x @ x)) == 512"
#: The first start compiles kernels.
PATIENCE_SECONDS = 300


@cache
def leave_out_broken_gpu() -> str:
    """Use the CPU alone where a GPU is there and cannot multiply; return what to say of it."""
    if not tf.config.list_physical_devices("GPU"):
        return ""
    why = try_gpu([sys.executable, "-c", TRIAL])
    if not why:
        return ""
    tf.config.set_visible_devices([], "GPU")
    return f"there is a GPU, and it cannot be used ({why}): working on the CPU"


def fix_order() -> None:
    """Let TensorFlow make every sum in one order, so that the last bits do not depend on cores.

    An operation has one thread; operations still run side by side. Where TensorFlow has begun
    already, in a notebook or a test, it stays as it was.
    """
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)


def keep_to_one_core() -> None:
    """Let TensorFlow use one core and no GPU, and make every sum in the order of `fix_order`."""
    fix_order()
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.set_visible_devices([], "GPU")
    tf.config.list_logical_devices()  # starts the runtime
    tf.get_logger().setLevel("ERROR")  # units of many shapes are traced anew: no word of each


def try_gpu(command: list[str], patience_seconds: float = PATIENCE_SECONDS) -> str:
    """Run the trial; return what went wrong, "" when nothing did."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=patience_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {patience_seconds:g} s"
    if done.returncode == 0:
        return ""
    last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "")
    return last.strip()[:200] or f"exit code {done.returncode}"
