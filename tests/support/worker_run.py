"""Runs on several devices or processes; each prints the loss of every step as JSON.

python -m tests.support.worker_run workers FOLDER INDEX PORT PORT    # one of two workers
python -m tests.support.worker_run mirrored FOLDER                   # two CPU devices
python -m tests.support.worker_run parameters FOLDER PORT PORT PORT  # chief, worker, server
"""

import json
import os
import signal
import socket
import sys
import threading
import time

import tensorflow as tf

from tests.support.tiny_run import run

SETTINGS = {"TRAIN_STEPS": 4, "SUMMARY_INTERVAL": 1, "BATCH_SIZE": 6}
SERVED = {"STRATEGY": "parameter_server"}
# With 101 records, the last batch has only one, so the second replica gets none.
EVALUATION = {**SETTINGS, "EVAL_BATCH_SIZE": 10, "EVAL_STEPS": -1}


def losses(folder, **changes):
    """Trains and returns the loss of every step."""
    values = []
    record = lambda output: values.append(float(output["training_loss"]))  # noqa: E731
    run(folder, train_actions=[record], **SETTINGS, **changes)
    return values


def set_cluster(job, index, **jobs):
    cluster = {name: [f"127.0.0.1:{port}" for port in ports] for name, ports in jobs.items()}
    task = {"type": job, "index": int(index)}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})


def workers(folder, index, *ports):
    set_cluster("worker", index, worker=ports)
    whole = losses(folder, STRATEGY="multi_worker_mirrored")
    status = stopped(f"{folder}_stopped", signalled=index == "1")
    return [whole, status, losses(f"{folder}_stopped", STRATEGY="multi_worker_mirrored")]


def stopped(folder, signalled):
    """Returns the exit status of a run that stops because one worker gets SIGTERM at step 2."""
    loops = []

    def stop(_):
        loops.append(None)
        if signalled and len(loops) == 2:
            signal.raise_signal(signal.SIGTERM)

    try:
        run(folder, train_actions=[stop], STRATEGY="multi_worker_mirrored", **SETTINGS)
    except SystemExit as stop_request:
        return stop_request.code


def mirrored(folder):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    training = losses(folder, STRATEGY="mirrored")
    evaluation = run(folder, "eval", STRATEGY="mirrored", **EVALUATION)
    return [training, {name: float(value) for name, value in evaluation.items()}]


def parameters(folder, chief, worker, ps):
    """Runs the same command for each task of the cluster; all but the chief run in threads."""
    jobs, helpers = dict(chief=[chief], worker=[worker], ps=[ps]), []
    for job, port in (("worker", worker), ("ps", ps)):
        set_cluster(job, 0, **jobs)
        helpers.append(threading.Thread(target=losses, args=[folder], kwargs=SERVED, daemon=True))
        helpers[-1].start()
        while not listens(port):
            time.sleep(0.05)
    set_cluster("chief", 0, **jobs)
    return [losses(folder, **SERVED), [helper.is_alive() for helper in helpers]]


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(port))) == 0


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
