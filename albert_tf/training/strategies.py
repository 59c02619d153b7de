"""Builds distribution strategies by the names that Model Garden's runtime config uses."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping

import tensorflow as tf
from official.common import distribute_utils
from official.core import config_definitions

from albert_tf.errors import InputError, closest

NAMES = ("off", "one_device", "mirrored", "multi_worker_mirrored", "parameter_server", "tpu")
_CLUSTERS = {
    "multi_worker_mirrored": ("worker",),
    "parameter_server": ("chief", "worker", "ps"),
}


def build(runtime: config_definitions.RuntimeConfig) -> tf.distribute.Strategy:
    """Returns the distribution strategy selected by the runtime config.

    "off" is TensorFlow's default strategy. Without GPUs, "mirrored" runs a replica on each logical
    CPU device. "multi_worker_mirrored" and "parameter_server" read TF_CONFIG; alternatively, set
    `worker_hosts` and `task_index`. Call this function before any other TensorFlow work, since
    workers must be connected first. In a worker or parameter server of a "parameter_server"
    cluster, it serves the chief's requests and never returns.

    Raises:
      InputError: the name is unknown or does not fit the devices, or TF_CONFIG is wrong.
    """
    name = str(runtime.distribution_strategy).lower()
    if name not in NAMES:
        raise InputError(
            "runtime.distribution_strategy (STRATEGY) must be known. Received "
            f"{runtime.distribution_strategy!r}. {closest(name, NAMES)}"
        )
    _check_devices(name, runtime)
    if name in _CLUSTERS:
        if runtime.worker_hosts:
            distribute_utils.configure_cluster(runtime.worker_hosts, runtime.task_index)
        _check_cluster(name, os.environ.get("TF_CONFIG", ""))
    if name == "parameter_server":
        _serve_unless_chief()
    try:
        return _make(name, runtime.num_gpus, runtime.tpu, runtime.all_reduce_alg, runtime.num_packs)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise InputError(
            "The runtime config does not fit this machine. Received "
            f"distribution_strategy={name!r}, num_gpus={runtime.num_gpus}, tpu={runtime.tpu!r}, "
            f"all_reduce_alg={runtime.all_reduce_alg!r}: {error}"
        ) from error


@functools.cache  # Collectives of two strategies on the same devices would interfere.
def _make(
    name: str, num_gpus: int, tpu: str | None, all_reduce_alg: str | None, num_packs: int
) -> tf.distribute.Strategy:
    if name == "mirrored" and not num_gpus:
        return tf.distribute.MirroredStrategy(
            [device.name for device in tf.config.list_logical_devices("CPU")]
        )
    return distribute_utils.get_distribution_strategy(
        distribution_strategy=name,
        num_gpus=num_gpus,
        tpu_address=tpu,
        all_reduce_alg=all_reduce_alg,
        num_packs=num_packs,
    )


def is_chief(distribution: tf.distribute.Strategy) -> bool:
    """Whether this process writes the files of the run."""
    return distribution.extended.should_checkpoint


def spans_workers(distribution: tf.distribute.Strategy) -> bool:
    """Whether several worker processes run each step together."""
    return isinstance(distribution, tf.distribute.MultiWorkerMirroredStrategy)


def _serve_unless_chief() -> None:
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if resolver.task_type != "chief":
        tf.distribute.Server(
            resolver.cluster_spec(),
            job_name=resolver.task_type,
            task_index=resolver.task_id,
            protocol="grpc",
        ).join()


def _check_devices(name: str, runtime: config_definitions.RuntimeConfig) -> None:
    available = len(tf.config.list_physical_devices("GPU"))
    most = min(available, 1) if name in ("off", "one_device") else available
    if not 0 <= runtime.num_gpus <= most:
        raise InputError(
            "runtime.num_gpus (NUM_GPUS) must fit the machine and the strategy. Received "
            f"{runtime.num_gpus} for {name!r} on a machine where TensorFlow sees {available} "
            f"GPU(s). Set it to at most {most}, or use STRATEGY='mirrored' for several GPUs."
        )
    if name == "tpu" and runtime.tpu is None:
        raise InputError(
            "STRATEGY='tpu' needs the TPU to use. Received runtime.tpu=None. Set its address or "
            "name, or 'local': --gin.RuntimeConfig.tpu=local."
        )


def _check_cluster(name: str, text: str) -> None:
    """Checks TF_CONFIG. TensorFlow would wait for missing workers or fail with obscure errors."""
    jobs = {job: [f"{job}0:2222", f"{job}1:2222"] for job in _CLUSTERS[name]}
    example = json.dumps({"cluster": jobs, "task": {"type": "worker", "index": 0}})
    try:
        values = json.loads(text or "{}")
        cluster, task = values["cluster"], values["task"]
        problem = _cluster_problem(name, cluster, task)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"it is not a JSON object with 'cluster' and 'task' ({error!r})"
    if problem:
        raise InputError(
            f"STRATEGY={name!r} reads the cluster from the environment variable TF_CONFIG, but "
            f"{problem}. Received {text!r}. Set it in every process, for example '{example}'."
        )


def _cluster_problem(
    name: str, cluster: Mapping[str, list[str]], task: Mapping[str, object]
) -> str | None:
    jobs = ("chief", *_CLUSTERS[name]) if name == "multi_worker_mirrored" else _CLUSTERS[name]
    missing = [job for job in _CLUSTERS[name] if not cluster.get(job)]
    if missing:
        return f"its cluster has no {' and no '.join(missing)}"
    addresses = [address for job in cluster.values() for address in job]
    wrong = [a for a in addresses if not str(a).rpartition(":")[2].isdigit() or ":" not in str(a)]
    if wrong:
        return f"addresses must have the form host:port, unlike {wrong[0]!r}"
    if len(set(addresses)) != len(addresses):
        return "two tasks have the same address"
    if task["type"] not in jobs:
        return f"its task has type {task['type']!r}, not one of {', '.join(jobs)}"
    index, size = int(task["index"]), len(cluster[task["type"]])
    if not 0 <= index < size:
        return f"its task has index {index}, but there are {size} tasks of type {task['type']!r}"
    return None
