"""Describes the machine and the libraries of a measurement."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from albert_tf.errors import InputError

LIBRARIES = (
    *("tensorflow", "tf-models-official", "keras-hub", "keras", "jax", "torch"),
    *("transformers", "onnxruntime", "openvino", "nncf", "ai-edge-litert"),
)
# The instructions that decide how fast float32 and int8 products are.
VECTORS = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16"),
    *("amx_bf16", "amx_int8", "asimd", "asimddp", "i8mm"),
)


def describe() -> dict[str, object]:
    """Returns processor, cores, memory, Python and the versions of the libraries."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: version for name in LIBRARIES if (version := version_of(name))},
    }


def _processor() -> str:
    """Returns the processor model and the vector instructions that affect speed."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    fields = dict(
        [part.strip() for part in line.split(":", 1)]
        for line in info.read_text().split("\n\n")[0].splitlines()
        if ":" in line
    )
    flags = fields.get("flags", fields.get("Features", "")).split()
    vectors = [name for name in VECTORS if name in flags]
    return f"{fields.get('model name', platform.machine())} ({', '.join(vectors)})"


def use_cores(count: int) -> None:
    """Restricts this process, and those that it starts, to `count` of the cores that it may use.

    Call it before TensorFlow starts its threads, which is at the first computation.

    Raises:
      InputError: there are not that many.
    """
    cores = sorted(os.sched_getaffinity(0))
    if not 1 <= count <= len(cores):
        raise InputError(
            f"--threads must be from 1 to {len(cores)}, the cores here. Received {count}."
        )
    os.sched_setaffinity(0, cores[:count])
    os.environ["OMP_NUM_THREADS"] = str(count)


def memory(name: str) -> float:
    """Returns a memory value of this process in MiB, such as its peak, `VmHWM`."""
    status = Path("/proc/self/status").read_text()
    return (
        next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024
    )


def forget_peak() -> None:
    """Makes `memory("VmHWM")` count from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def version_of(name: str) -> str | None:
    """Returns the version of an installed package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
