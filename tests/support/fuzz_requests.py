"""Sends random requests to exports of all kinds: each is answered, or is an error of the request.

`python -m tests.support.fuzz_requests 10` does so with new seeds for ten minutes, in Python and, if
g++ is installed, in a C++ program that loads the exports as TensorFlow Serving does. Python refuses
inputs of other types and ranks before a graph sees them; the C++ program does not. It prints the
seeds of requests that fail.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from albert_tf.export import hub_encoder, preprocessor
from benchmarks import soak
from benchmarks.soak import REFUSED, Request
from tests.support import cpp_server

SECONDS = 5.0  # Of processor time.
KINDS = (*soak.KINDS, "encoder", "preprocessor")
PART = 60  # Seeds that one C++ program tries.
_ODD_TEXTS = (
    *(
        b"",
        b" ",
        b"\0",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe4\xb8",
        b"\xc0\xaf",
    ),
    *(b"[MASK]", b"[CLS][SEP]", b"<pad>", b"_", b"__", b"\xe2\x96\x81", b"\xef\xb7\xba", b"1,000"),
    *(
        b"e\xcc\x81",
        b"\xcc\x81" * 40,
        b"\r\n\t\x0b",
        b"\xe2\x80\x8b\xef\xbb\xbf",
        b"\xf0\x9f\x91\xa9",
    ),
    *(b"word ", b"a" * 300, b"\xe4\xb8\x80" * 99, b"%s{}$^\\", b"\xe2\x80\xa8", b"\xd9\x80", b"?"),
)
_ODD_NUMBERS = (0, 1, -1, 2, 3, 4, 63, 64, 199, 200, 999, 1000, 1001, 2**31 - 1, -(2**31), 2**30)
_SIZES = (0, 0, 1, 1, 1, 2, 2, 3, 5, 9, 17, 64, 65, 100)
_TYPES = (
    *(tf.bool, tf.int8, tf.uint8, tf.int16, tf.int32, tf.int64, tf.uint64, tf.complex64),
    *(tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.string, tf.string),
)


class Target(NamedTuple):
    """An export to send requests to.

    Attributes:
      name: its kind.
      path: the folder.
      model: the loaded model.
      good: requests that must be answered.
    """

    name: str
    path: Path
    model: Any
    good: Sequence[Request]


# === Random values ===
def _text(rng: random.Random) -> bytes:
    parts = [
        rng.choice((rng.choice(_ODD_TEXTS), rng.randbytes(rng.randrange(9)), b"some words "))
        for _ in range(rng.choice((1, 1, 2, 5, 30)))
    ]
    return b"".join(parts) * rng.choice((1, 1, 1, 1, 2, 40))


def _array(rng: random.Random, dtype: tf.DType, shape: Sequence[int]) -> tf.Tensor:
    """Returns random values: all odd, or usual ones of which some are odd."""
    count = int(np.prod(shape))
    odd = rng.choice((0.0, 0.02, 0.3, 1.0))
    if dtype == tf.string:
        values = [_text(rng) if rng.random() < odd else b"a [MASK] word" for _ in range(count)]
        return tf.constant(np.array(values, object).reshape(shape), tf.string, shape)
    usual = rng.choice((range(2), range(2), range(64), range(200)))
    values = [rng.choice(_ODD_NUMBERS if rng.random() < odd else usual) for _ in range(count)]
    return tf.cast(tf.constant(values, tf.int64, shape), dtype)


def _example(rng: random.Random, names: Sequence[str]) -> bytes:
    """Returns a serialized tf.train.Example whose features may be missing, odd or damaged."""
    example = tf.train.Example()
    for name in names:
        feature = example.features.feature[rng.choice((name,) * 9 + (name.upper(), ""))]
        kind = rng.randrange(12)
        count = rng.choice((1, 1, 1, 1, 2, 0, 5))
        if kind == 0:
            feature.int64_list.value.extend(rng.choice(_ODD_NUMBERS) for _ in range(count))
        elif kind == 1:
            feature.float_list.value.extend(float("nan") for _ in range(count))
        elif kind > 2:
            feature.bytes_list.value.extend(_text(rng) for _ in range(count))
    data = bytearray(example.SerializeToString())
    for _ in range(rng.choice((0, 0, 0, 1, 3)) if data else 0):
        place = rng.randrange(len(data))
        change = rng.choice((b"", bytes([rng.randrange(256)]), b"\xff" * 9, bytes(data[:place])))
        data[place : place + rng.choice((0, 1, 20))] = change
        if not data:
            break
    return bytes(data)


def _valid_shapes(
    rng: random.Random, specs: Mapping[str, tf.TensorSpec]
) -> dict[str, tuple[int, ...]]:
    """Returns shapes in which all inputs of the same rank are alike, and share the batch size."""
    sizes = [rng.choice(_SIZES), *(rng.choice(_SIZES[2:10]) for _ in range(2))]
    if rng.random() < 0.02:
        sizes[0] = rng.choice((300, 1000))
    return {name: tuple(sizes[: spec.shape.rank]) for name, spec in specs.items()}


def request(target: Target, seed: int) -> Request:
    """Returns a random request; the same for the same seed."""
    rng = random.Random(f"{target.name} {seed}")
    signatures = target.model.signatures
    signature = rng.choice(sorted(signatures))
    _, specs = signatures[signature].structured_input_signature
    shapes = _valid_shapes(rng, specs)
    inputs = {name: _array(rng, spec.dtype, shapes[name]) for name, spec in specs.items()}
    if signature == "examples" and rng.random() < 0.9:
        names = list(signatures["serving_default"].structured_input_signature[1])
        records = [_example(rng, names) for _ in range(rng.choice(_SIZES[:11]))]
        inputs = {"examples": tf.constant(np.array(records, object), tf.string, [len(records)])}
    for name, spec in specs.items():
        if "mask" in name and rng.random() < 0.5:  # Rows as clients pad them.
            inputs[name] = tf.cast(
                tf.sequence_mask(shapes[name][-1:], shapes[name][-1]), spec.dtype
            )
            inputs[name] = tf.broadcast_to(inputs[name], shapes[name])
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2)) if inputs else 0):
        name = rng.choice(list(inputs))
        dtype = inputs[name].dtype
        action = rng.randrange(6)
        if action == 0:
            inputs[name] = _array(rng, rng.choice(_TYPES), inputs[name].shape)
        elif action == 1:
            shape = [rng.choice(_SIZES[:9]) for _ in range(rng.randrange(5))]
            inputs[name] = _array(rng, dtype, shape)
        elif action == 2 and inputs[name].shape.rank:
            inputs[name] = inputs[name][:1]
        elif action == 3:
            inputs[name] = inputs[name][tf.newaxis]
        elif action == 4 and len(inputs) > 1:
            del inputs[name]
        elif action == 5:
            inputs[rng.choice(("extra", "texts", "input_word_ids"))] = inputs[name]
    return Request(signature, inputs)


# === Targets ===
def target(name: str, path: Path, model: Any) -> Target:
    """Returns an export with requests that it must answer."""
    if "examples" in model.signatures:
        return Target(name, path, model, soak.good(model))
    good = []
    for signature, run in model.signatures.items():
        _, specs = run.structured_input_signature
        inputs = {
            name: tf.ones([3, 5], spec.dtype) if spec.dtype != tf.string else tf.constant(soak.GOOD)
            for name, spec in specs.items()
        }
        good.append(Request(signature, inputs))
    return Target(name, path, model, good)


def problem(target: Target, seed: int) -> str:
    """Sends a random request, and returns what is wrong; "" if nothing is."""
    asked = request(target, seed)
    begin = time.process_time()
    try:
        outputs = asked.send(target.model)
        for name, value in outputs.items():
            if value.dtype.kind == "f" and not np.all(np.isfinite(value)):
                return f"{asked.signature}: {name} is not finite"
    except REFUSED:
        pass
    except Exception as error:
        return f"{asked.signature}: {soak.described(error)}"
    seconds = time.process_time() - begin
    return f"{asked.signature}: {seconds:.1f} s" if seconds > SECONDS else ""


def answers(target: Target) -> list[dict[str, np.ndarray]]:
    """Returns the answers to the good requests."""
    return [request.send(target.model) for request in target.good]


def problem_of_good(target: Target, expected: Sequence[Mapping[str, np.ndarray]]) -> str:
    """Sends the good requests, and returns what is wrong if an answer is not as before."""
    for asked, before, after in zip(target.good, expected, answers(target)):
        for name, value in before.items():
            if not np.array_equal(after[name], value):
                return f"{asked.signature}: another {name}"
    return ""


def problems_in_cpp(targets: Sequence[Target], seeds: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Sends random requests in the C++ program; yields seeds with what is wrong.

    The seed is -1 for a good request with another answer than before.
    """
    good = [(place, *sent) for place, t in enumerate(targets) for sent in t.good]
    asked = [(place, seed) for seed in seeds for place in range(len(targets))]
    hostile = [(place, *request(targets[place], seed)) for place, seed in asked]
    paths = [target.path for target in targets]
    for line in cpp_server.load(paths, good, hostile, len(good), [4]):
        if line[0] == "fault":
            number = int(line[1]) - len(good)
            place, signature, _ = [*good, *hostile][int(line[1])]
            name = targets[place].name
            yield asked[number][1] if number >= 0 else -1, f"{name} {signature}: {line[2]}"


def main(minutes: float) -> int:
    """Sends random requests for some minutes; returns 1 if one of them fails."""
    seed, failures, count = random.SystemRandom().randrange(2**40), Counter(), 0
    in_cpp = shutil.which("g++") is not None
    print(f"seeds from {seed}{'' if in_cpp else '; without g++, in Python only'}", flush=True)

    def report(name: str, seed: int, found: str) -> None:
        failures[found.splitlines()[0][:60]] += 1
        if failures[found.splitlines()[0][:60]] == 1:
            print(f"=== {name}, seed {seed}\n{found}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        targets = _exports(Path(folder))
        expected = [answers(target) for target in targets]
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            seeds = range(seed, seed + PART)
            seed, count = seed + PART, count + PART * len(targets) * (1 + in_cpp)
            for target, before in zip(targets, expected):
                for number in seeds:
                    if found := problem(target, number):
                        report(target.name, number, found)
                if found := problem_of_good(target, before):
                    report(target.name, seeds[-1], f"a good request afterwards: {found}")
            for number, found in problems_in_cpp(targets, seeds) if in_cpp else ():
                report("in C++", number, found)
    print(f"{count:,} requests, {failures.total()} failures")
    return 1 if failures else 0


def _exports(folder: Path) -> list[Target]:
    """Writes exports of all kinds, and loads them."""
    targets = [target(kind, e.path, e.model) for kind, e in soak.export(folder).items()]
    source = folder / "source"
    for name, path in {
        "encoder": hub_encoder.export(source, folder / "encoder", check=False),
        "preprocessor": preprocessor.export(source, folder / "preprocessor", 16, check=False),
    }.items():
        targets.append(target(name, path, tf.saved_model.load(str(path))))
    return targets


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
