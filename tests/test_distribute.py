"""Our LSTM under tf.distribute, in processes of its own: devices are set before TensorFlow runs."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "distribute.py"


def test_two_devices_and_two_processes_learn_as_one_device_does():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--steps", "4"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    *trained, verdict = done.stdout.splitlines()
    assert len(trained) == 3
    assert verdict == "equal within 1e-06: yes"
