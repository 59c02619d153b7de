"""A run by one of two workers that train together, or by one process with two CPU devices.

    python worker_run.py FOLDER INDEX PORT PORT
    python worker_run.py FOLDER

Prints the loss of every step as a JSON list.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import tensorflow as tf  # noqa: E402
from tiny_run import run  # noqa: E402

SETTINGS = {"TRAIN_STEPS": 4, "SUMMARY_INTERVAL": 1, "BATCH_SIZE": 6}


def losses(folder, **changes):
    """Trains and returns the loss of every step."""
    found = []
    record = lambda output: found.append(float(output["training_loss"]))  # noqa: E731
    run(folder, train_actions=[record], **SETTINGS, **changes)
    return found


def main(folder: str, index: str = "", *ports: str) -> None:
    if ports:
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        task = {"type": "worker", "index": int(index)}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    else:
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
    print(json.dumps(losses(folder, STRATEGY="multi_worker_mirrored" if ports else "mirrored")))


if __name__ == "__main__":
    main(*sys.argv[1:])
