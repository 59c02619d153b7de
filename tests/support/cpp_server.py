"""A C++ program without Python that loads exports as TensorFlow Serving does; it needs g++."""

import hashlib
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text
from tensorflow.core.protobuf import named_tensor_pb2

from tests.support.paths import ROOT

SOURCE = ROOT / "tests/export/cpp/server.cc"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "albert_tf-tests"
OPS = ("_sentencepiece_tokenizer", "_fast_sentencepiece_tokenizer", "_normalize_ops")
# The place of a model, a signature and its inputs.
Request = tuple[int, str, Mapping[str, Any]]


def program() -> Path:
    """Returns the program, recompiled only if its source or TensorFlow has changed.

    This takes seconds.
    """
    flags = [*tf.sysconfig.get_compile_flags(), "-O1", "-DNDEBUG", "-w"]
    key = hashlib.sha256(SOURCE.read_bytes() + " ".join([tf.__version__, *flags]).encode())
    path = CACHE / f"server-{key.hexdigest()[:16]}"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        libraries = tf.sysconfig.get_lib()
        linked = [f"-l:libtensorflow_{name}.so.2" for name in ("cc", "framework")]
        partial = path.with_suffix(f".{os.getpid()}")
        command = ["g++", *flags, str(SOURCE), "-o", str(partial), f"-L{libraries}"]
        # Kernels and sessions register themselves, so the linker finds no references to them.
        command += [f"-Wl,-rpath,{libraries},--no-as-needed", *linked, "-ldl", "-pthread"]
        finished = subprocess.run(command, capture_output=True, text=True)
        assert finished.returncode == 0, finished.stderr[-4000:]
        partial.rename(path)
    return path


def answers(
    model: Path, requests: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[dict[str, np.ndarray]]:
    """Returns the outputs of each request, a signature with its inputs, by name."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = (Path(folder, name) for name in ("requests", "answers"))
        _write(asked, ((0, *request) for request in requests))
        list(_lines([model], asked, answered))
        data, results = answered.read_bytes(), [{} for _ in requests]
    while data:
        (size,), data = struct.unpack("<Q", data[:8]), data[8:]
        message, data = named_tensor_pb2.NamedTensorProto.FromString(data[:size]), data[size:]
        number, _, name = message.name.partition(":")
        results[int(number)][name] = tf.make_ndarray(message.tensor)
    return results


def load(
    models: Sequence[Path],
    good: Sequence[Request],
    hostile: Sequence[Request],
    count: int,
    threads: Sequence[int],
) -> Iterator[list[str]]:
    """Sends requests from many threads, and yields the lines that server.cc explains, split.

    Hostile requests have the numbers that follow those of the good ones.

    Args:
      models: the exports.
      good: requests, each a place in `models`, a signature and inputs.
      hostile: requests of which a third of the load consists.
      count: the number of requests for each number of threads.
      threads: the numbers of threads.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("good", "hostile")]
        _write(files[0], good)
        _write(files[1], hostile, len(good))
        for line in _lines(models, *files, count, *threads):
            yield line.rstrip("\n").split("\t")


def _write(path: Path, requests: Iterable[Request], first: int = 0) -> None:
    with open(path, "wb") as file:
        for number, (model, signature, inputs) in enumerate(requests, first):
            for name, value in (inputs or {"": np.zeros(0)}).items():
                message = named_tensor_pb2.NamedTensorProto(
                    name=f"{number}:{model}:{signature}:{name}", tensor=tf.make_tensor_proto(value)
                )
                file.write(struct.pack("<Q", message.ByteSize()) + message.SerializeToString())


def _lines(models: Sequence[Path], *arguments: Any) -> Iterator[str]:
    """Runs the program and yields what it prints."""
    ops = Path(tensorflow_text.__file__).parent / "python/ops"
    lists = ([ops / f"{name}.so" for name in OPS], models)
    command = [program(), *(",".join(map(str, paths)) for paths in lists), *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        with process:
            yield from process.stdout
        errors.seek(0)
        assert process.returncode == 0, errors.read()[-4000:]
