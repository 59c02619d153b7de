"""Describes the machine and the libraries of a measurement."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

LIBRARIES = (
    *("tensorflow", "tf-models-official", "keras-hub", "keras", "jax", "torch"),
    *("transformers", "onnxruntime", "openvino", "ai-edge-litert"),
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
    vectors = [f for f in fields["flags"].split() if f in ("avx2", "avx512f", "avx512_vnni")]
    return f"{fields['model name']} ({', '.join(vectors)})"


def version_of(name: str) -> str | None:
    """Returns the version of an installed package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
