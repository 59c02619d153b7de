"""Applies Model Garden's runtime config: mixed precision, padding removal and XLA."""

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
    """Makes layers created in this context compute in `runtime.mixed_precision_dtype`.

    Variables, layer norms, softmax, logits and losses stay in float32. With "float16", the
    optimizer scales the loss by `runtime.loss_scale`, a number or "dynamic" (the default), and
    skips updates whose gradients overflow.

    Raises:
      InputError: the dtype is unknown, or a loss scale is given without float16.
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
            "runtime.loss_scale requires float16, as other number formats do not overflow. "
            f"Received loss_scale={scale!r} with {dtype}. Leave it out."
        )
    if scale is not None and scale != "dynamic" and (isinstance(scale, str) or scale <= 0):
        raise InputError(
            "runtime.loss_scale must be a positive number or 'dynamic'. Received "
            f"{scale!r}. Set LOSS_SCALE."
        )
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(_POLICIES[dtype])
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)


def decide_padding(
    task: config_definitions.TaskConfig, runtime: config_definitions.RuntimeConfig
) -> None:
    """Decides on padding removal if `task.remove_padding` is None.

    It is turned on if shapes may depend on the data, that is, if `train_data.bucketed` is set and
    the run uses neither XLA nor a TPU.

    Raises:
      InputError: `task.remove_padding` is True for a run with XLA or a TPU, or that compares
        attention with a teacher.
    """
    compares = bool(task.distillation.teacher and task.distillation.attention)
    static = runtime.enable_xla or str(runtime.distribution_strategy).lower() == "tpu"
    if task.remove_padding is None:
        # Pretraining has no `bucketed` setting, since its sequences have hardly any padding.
        bucketed = getattr(task.train_data, "bucketed", False)
        task.remove_padding = bucketed and not static and not compares
    elif task.remove_padding and compares:
        raise InputError(
            "Attention is compared with that of a teacher in padded rows. Received "
            f"remove_padding=True with DISTILL_ATTENTION={task.distillation.attention}. Leave "
            "REMOVE_PADDING out, or set DISTILL_ATTENTION=0."
        )
    elif task.remove_padding and static:
        raise InputError(
            "Padding removal needs shapes that depend on the data, which XLA and TPUs do not "
            f"support. Received remove_padding=True with enable_xla={runtime.enable_xla}, "
            f"distribution_strategy={runtime.distribution_strategy!r}. Leave REMOVE_PADDING out."
        )


def compile_step(task: base_task.Task, runtime: config_definitions.RuntimeConfig) -> None:
    """Compiles the task's training step with XLA if `runtime.enable_xla` is set.

    This applies to a single CPU device. On GPUs Model Garden's trainer compiles the step, and on
    TPUs every program is compiled.

    Raises:
      InputError: the strategy uses several CPU devices, which cannot share an XLA program.
    """
    if not runtime.enable_xla or runtime.num_gpus or runtime.distribution_strategy == "tpu":
        return
    if runtime.distribution_strategy not in ("off", "one_device"):
        raise InputError(
            "runtime.enable_xla needs GPUs, a TPU or a single device. Received "
            f"{runtime.distribution_strategy!r} with num_gpus=0. Change one of the two settings."
        )
    task.train_step = tf.function(task.train_step, jit_compile=True)
