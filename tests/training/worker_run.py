"""Runs that are spread over devices and processes; each prints the loss of every step as JSON.

python worker_run.py workers FOLDER INDEX PORT PORT     one of two workers
python worker_run.py mirrored FOLDER                    two CPU devices
python worker_run.py parameters FOLDER PORT PORT PORT   a chief, a worker, a parameter server
"""

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import tensorflow as tf  # noqa: E402
from tiny_run import run  # noqa: E402

SETTINGS = {"TRAIN_STEPS": 4, "SUMMARY_INTERVAL": 1, "BATCH_SIZE": 6}
# Of 101 records, one is left for the last batch, so that the second replica has none of it.
EVALUATION = {**SETTINGS, "EVAL_BATCH_SIZE": 10, "EVAL_STEPS": -1}


def losses(folder, **changes):
    """Trains and returns the loss of every step."""
    found = []
    record = lambda output: found.append(float(output["training_loss"]))  # noqa: E731
    run(folder, train_actions=[record], **SETTINGS, **changes)
    return found


def set_cluster(job, index, **jobs):
    cluster = {name: [f"127.0.0.1:{port}" for port in ports] for name, ports in jobs.items()}
    task = {"type": job, "index": int(index)}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    return tf.train.ClusterSpec(cluster)


def workers(folder, index, *ports):
    set_cluster("worker", index, worker=ports)
    found = losses(folder, STRATEGY="multi_worker_mirrored")
    return [found, stopped(f"{folder}_stopped", hears=index == "1")]


def stopped(folder, hears):
    """Returns the status of a run of all workers; those that hear get SIGTERM at step 2."""
    loops = []

    def stop(_):
        loops.append(None)
        if hears and len(loops) == 2:
            signal.raise_signal(signal.SIGTERM)

    try:
        run(folder, train_actions=[stop], STRATEGY="multi_worker_mirrored", **SETTINGS)
    except SystemExit as left:
        return left.code


def mirrored(folder):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    found = losses(folder, STRATEGY="mirrored")
    evaluation = run(folder, "eval", STRATEGY="mirrored", **EVALUATION)
    return [found, {name: float(value) for name, value in evaluation.items()}]


def parameters(folder, chief, worker, ps):
    spec = set_cluster("chief", 0, chief=[chief], worker=[worker], ps=[ps])
    servers = [tf.distribute.Server(spec, job_name=job, task_index=0) for job in ("worker", "ps")]
    found = losses(folder, STRATEGY="parameter_server")
    del servers  # They serve as long as they are there.
    return found


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
