"""What Model Garden's runtime config asks of the computation: number format and compiler."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf
import tf_keras
from official.core import base_task, config_definitions

from albert_tf.errors import InputError, closest

_POLICIES = {"float32": "float32", "float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}


@contextlib.contextmanager
def precision(runtime: config_definitions.RuntimeConfig) -> Iterator[None]:
    """Layers that are made in this block compute in `runtime.mixed_precision_dtype`.

    Variables, layer norms, softmax, logits and losses stay float32. With "float16" the optimizer
    scales the loss (`runtime.loss_scale`, a number or "dynamic", the default) and leaves out
    updates whose gradients overflow.

    Raises:
      InputError: the name is unknown, or a loss scale comes without float16.
    """
    dtype = runtime.mixed_precision_dtype or "float32"
    if dtype not in _POLICIES:
        raise InputError(
            f"runtime.mixed_precision_dtype must be a known name. Received {dtype!r}. "
            f"{closest(dtype, _POLICIES)}"
        )
    scale = runtime.loss_scale
    if scale is not None and dtype != "float16":
        raise InputError(
            "runtime.loss_scale goes with float16 alone, as other formats do not overflow. "
            f"Received loss_scale={scale!r} with {dtype}. Leave it out."
        )
    if isinstance(scale, str) and scale != "dynamic":
        raise InputError(f"runtime.loss_scale must be a number or 'dynamic'. Received {scale!r}.")
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(_POLICIES[dtype])
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)


def decide_padding(
    task: config_definitions.TaskConfig, runtime: config_definitions.RuntimeConfig
) -> None:
    """Sets `task.remove_padding` where it is None: on, wherever shapes may depend on the data.

    They may not under XLA and on TPUs, nor where `train_data.bucketed` is off.

    Raises:
      InputError: it is on for XLA or a TPU.
    """
    static = runtime.enable_xla or str(runtime.distribution_strategy).lower() == "tpu"
    if task.remove_padding is None:
        # Pretraining has full rows: its data know no `bucketed`.
        task.remove_padding = not static and getattr(task.train_data, "bucketed", False)
    elif task.remove_padding and static:
        raise InputError(
            "Padding can be left out only where shapes may depend on the data, which XLA and TPUs "
            f"do not allow. Received remove_padding=True with enable_xla={runtime.enable_xla}, "
            f"distribution_strategy={runtime.distribution_strategy!r}. Leave REMOVE_PADDING out."
        )


def compile_step(task: base_task.Task, runtime: config_definitions.RuntimeConfig) -> None:
    """Makes the task's training step an XLA program where `runtime.enable_xla` asks for it.

    On GPUs Model Garden's trainer does it, on TPUs every program is one; this is for one CPU.

    Raises:
      InputError: several CPU devices, which share no XLA program.
    """
    if not runtime.enable_xla or runtime.num_gpus or runtime.distribution_strategy == "tpu":
        return
    if runtime.distribution_strategy not in ("off", "one_device"):
        raise InputError(
            "runtime.enable_xla needs GPUs, a TPU or a single device. Received "
            f"{runtime.distribution_strategy!r} with num_gpus=0. Leave one of the two out."
        )
    task.train_step = tf.function(task.train_step, jit_compile=True)
