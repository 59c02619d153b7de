"""A C++ program without Python loads the artefacts as TensorFlow Serving does."""

import hashlib
import os
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text
from tensorflow.core.protobuf import named_tensor_pb2

from tests.export.warmup_test import requests as requests_of_warmup

SOURCE = Path(__file__).with_name("cpp") / "server.cc"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "albert_tf-tests"
OPS = ("_sentencepiece_tokenizer", "_fast_sentencepiece_tokenizer", "_normalize_ops")
pytestmark = [
    pytest.mark.clean_process,
    pytest.mark.skipif(
        not shutil.which("g++"), reason="g++, which compiles the loader, is not installed."
    ),
]


@pytest.fixture(scope="module")
def server():
    """The program, recompiled only if its source or TensorFlow has changed; this takes seconds."""
    flags = [*tf.sysconfig.get_compile_flags(), "-O1", "-DNDEBUG", "-w"]
    key = hashlib.sha256(SOURCE.read_bytes() + " ".join([tf.__version__, *flags]).encode())
    program = CACHE / f"server-{key.hexdigest()[:16]}"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        libraries = tf.sysconfig.get_lib()
        linked = [f"-l:libtensorflow_{name}.so.2" for name in ("cc", "framework")]
        partial = program.with_suffix(f".{os.getpid()}")
        command = ["g++", *flags, str(SOURCE), "-o", str(partial), f"-L{libraries}"]
        # Kernels and sessions register themselves, so the linker finds no references to them.
        command += [f"-Wl,-rpath,{libraries},--no-as-needed", *linked, "-ldl"]
        finished = subprocess.run(command, capture_output=True, text=True)
        assert finished.returncode == 0, finished.stderr[-4000:]
        partial.rename(program)
    return program


def run(server, path, requests, folder):
    """Returns the outputs of each request, by name."""
    with open(folder / "requests", "wb") as file:
        for number, (signature, inputs) in enumerate(requests):
            for name, value in (inputs or {"": np.zeros(0)}).items():
                message = named_tensor_pb2.NamedTensorProto(
                    name=f"{number}:{signature}:{name}", tensor=tf.make_tensor_proto(value)
                )
                file.write(struct.pack("<Q", message.ByteSize()) + message.SerializeToString())
    ops = Path(tensorflow_text.__file__).parent / "python/ops"
    command = [server, path, folder / "requests", folder / "answers"]
    finished = subprocess.run(
        [*command, *(ops / f"{name}.so" for name in OPS)], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    data, answers = (folder / "answers").read_bytes(), [{} for _ in requests]
    while data:
        (size,), data = struct.unpack("<Q", data[:8]), data[8:]
        message, data = named_tensor_pb2.NamedTensorProto.FromString(data[:size]), data[size:]
        number, _, name = message.name.partition(":")
        answers[int(number)][name] = tf.make_ndarray(message.tensor)
    return answers


def of_encoder(path):
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 200, [3, 9]).astype(np.int32)
    mask = (np.arange(9) < [[9], [4], [1]]).astype(np.int32)
    inputs = dict(input_ids=ids, input_mask=mask, segment_ids=np.zeros_like(ids))
    positions = {"mlm_positions": np.array([[1, 2], [3, 0], [0, 0]], np.int32)}
    for name in ("serving_default", "tokens", "sop"):
        yield name, inputs
    yield "mlm", {**inputs, **positions}
    yield "tokenization_info", {}


def of_preprocessor(path):
    yield "serving_default", {"texts": np.array(["one text", "", "Café 1,000"])}


@pytest.mark.parametrize(
    ("name", "requests", "count"),
    [
        ("encoder", of_encoder, 5),
        ("encoder", requests_of_warmup, 24),
        ("preprocessor", of_preprocessor, 1),
        ("fill_mask", requests_of_warmup, 12),
    ],
)
def test_every_signature_gives_the_same_outputs_as_in_python(
    server, exports, exported, tmp_path, name, requests, count
):
    path = exported(name).path if name == "fill_mask" else exports / name
    requests = list(requests(path))
    assert len(requests) == count
    model = tf.saved_model.load(str(path))
    for (signature, inputs), ours in zip(requests, run(server, path, requests, tmp_path)):
        expected = model.signatures[signature](**{n: tf.constant(v) for n, v in inputs.items()})
        assert set(ours) == set(expected)
        for key, value in expected.items():
            if value.dtype == tf.float32:
                np.testing.assert_allclose(ours[key], value, atol=1e-5)
            else:
                np.testing.assert_array_equal(ours[key], value)
