"""All distribution strategies give the losses of one device; names and clusters are checked."""

import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.pretraining.task import PretrainingTask
from albert_tf.training import strategies
from tests.support import tiny_run, worker_run
from tests.support.paths import ROOT


def free_ports(count):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in sockets]


@pytest.fixture(scope="module")
def distributed(tmp_path_factory):
    """Returns the losses under each strategy; all processes run in parallel."""
    folder, ports = tmp_path_factory.mktemp("distributed"), free_ports(5)
    runs = {
        "first": ("workers", folder / "workers", "0", *ports[:2]),
        "second": ("workers", folder / "workers", "1", *ports[:2]),
        "mirrored": ("mirrored", folder / "mirrored"),
        "parameters": ("parameters", folder / "parameters", *ports[2:]),
    }
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", "tests.support.worker_run", *arguments], cwd=ROOT, **pipes
        )
        for name, arguments in runs.items()
    }
    losses = {}
    for name, process in processes.items():
        output, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors[-3000:]
        losses[name] = json.loads(output.splitlines()[-1])
    return SimpleNamespace(**losses, folder=folder)


@pytest.mark.clean_process
def test_mirrored_devices_and_parameter_servers_give_the_losses_of_one_device(
    distributed, tmp_path
):
    expected = worker_run.losses(tmp_path / "one")
    np.testing.assert_allclose(distributed.mirrored[0], expected, atol=1e-5)
    np.testing.assert_allclose(distributed.parameters[0], expected, atol=1e-5)
    assert distributed.parameters[1] == [True, True]  # worker and parameter server still run


@pytest.mark.clean_process
def test_two_devices_give_the_metrics_of_one(distributed):
    expected = tiny_run.run(distributed.folder / "mirrored", "eval", **worker_run.EVALUATION)
    metrics = distributed.mirrored[1]
    assert metrics.keys() == expected.keys() >= {"validation_loss", "mlm_loss"}
    assert expected["sop_examples"] == 101
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, 1e-5, err_msg=name)


@pytest.mark.clean_process
def test_two_workers_give_the_losses_of_one_process(distributed, tmp_path, monkeypatch):
    build = PretrainingTask.build_inputs

    def joined(self, params, input_context=None):
        """Joins the batches of both workers, which read different records."""
        contexts = [tf.distribute.InputContext(2, i, num_replicas_in_sync=2) for i in (0, 1)]
        parts = tuple(build(self, params, context) for context in contexts)
        join = lambda a, b: {name: tf.concat([a[name], b[name]], 0) for name in a}  # noqa: E731
        return tf.data.Dataset.zip(parts).map(join)

    monkeypatch.setattr(PretrainingTask, "build_inputs", joined)
    np.testing.assert_allclose(distributed.first[0], worker_run.losses(tmp_path / "one"), atol=1e-5)
    assert distributed.first[0] == distributed.second[0]
    lines = (
        (distributed.folder / "workers/history.jsonl").read_text().splitlines()
    )  # only one worker writes it
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]


@pytest.mark.clean_process
def test_a_signal_to_one_worker_saves_a_checkpoint_and_stops_all_workers(distributed):
    assert distributed.first[1] == distributed.second[1] == 143
    assert (distributed.folder / "workers_stopped/ckpt-2.index").is_file()


@pytest.mark.clean_process
def test_workers_resume_from_their_checkpoint(distributed):
    np.testing.assert_allclose(distributed.first[2], distributed.first[0][2:], rtol=1e-6)
    assert distributed.first[2] == distributed.second[2]
    assert tf.train.latest_checkpoint(distributed.folder / "workers_stopped").endswith("ckpt-4")


def config(**changes):
    return config_definitions.RuntimeConfig(**{"distribution_strategy": "off", **changes})


def cluster(job="worker", index=0, **jobs):
    return json.dumps({"cluster": jobs, "task": {"type": job, "index": index}})


WORKERS = ["h0:2222", "h1:2222"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(distribution_strategy="miror"), "Received 'miror'. Closest: mirrored"),
        (dict(distribution_strategy="mirrored", num_gpus=2), "Received 2 for 'mirrored'.* at most"),
        (dict(num_gpus=-1), "Received -1 for 'off'"),
        (dict(distribution_strategy="tpu"), "needs the TPU to use. Received runtime.tpu=None"),
        (
            dict(distribution_strategy="multi_worker_mirrored", all_reduce_alg="rink"),
            "does not fit this machine.*all_reduce_alg='rink'",
        ),
    ],
)
def test_a_wrong_runtime_config_is_an_error(changes, message, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", cluster(worker=["127.0.0.1:1"]))
    with pytest.raises(InputError, match=message):
        strategies.build(config(**changes))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("multi_worker_mirrored", "", "TF_CONFIG, but .* not a JSON object with 'cluster' and 't"),
        ("multi_worker_mirrored", "{", "not a JSON object"),
        ("multi_worker_mirrored", cluster(ps=WORKERS), "its cluster has no worker. Received"),
        ("parameter_server", cluster(worker=WORKERS), "its cluster has no chief and no ps"),
        ("multi_worker_mirrored", cluster(index=2, worker=WORKERS), "index 2, but there are 2 ta"),
        ("multi_worker_mirrored", cluster("wrker", worker=WORKERS), "type 'wrker', not one of ch"),
        ("multi_worker_mirrored", cluster(worker=["h0"]), "the form host:port, unlike 'h0'"),
        ("multi_worker_mirrored", cluster(worker=WORKERS[:1] * 2), "have the same address"),
    ],
)
def test_a_wrong_cluster_is_an_error(name, text, message, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match=message):
        strategies.build(config(distribution_strategy=name))


def test_mirrored_without_gpus_uses_the_cpu_devices():
    mirrored = strategies.build(config(distribution_strategy="mirrored"))
    assert isinstance(mirrored, tf.distribute.MirroredStrategy)
    assert mirrored.num_replicas_in_sync == len(tf.config.list_logical_devices("CPU"))
    assert isinstance(
        strategies.build(config(distribution_strategy="one_device")),
        tf.distribute.OneDeviceStrategy,
    )
