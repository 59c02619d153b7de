"""Sends good and hostile requests to exported task models of all kinds, from many threads.

    python -m benchmarks.soak [--requests 3000] [--threads 1 2 4 8 16] [--cpp]
    python -m benchmarks.soak --peak tagging [--base]

A third of the requests are hostile: huge, empty, of other types, of invalid UTF-8, beyond a limit.
Each must be answered, or be an error of the request. Good answers must equal those of the same
request alone, bit for bit. The models are tiny and have random weights. `--cpp` sends the same
requests also in a C++ program without Python, as the server does (tests/export/cpp). `--peak`
measures instead the memory and time of the largest requests that the default limits admit for one
kind of task.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gzip
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from albert_tf import presets
from albert_tf.serving.limits import Limits
from albert_tf.serving.signatures import TF1_HUB
from albert_tf.tokenization import vocabulary
from benchmarks import machine
from tests.support import cpp_server, served_tasks, tiny_task
from tests.support.paths import TESTDATA

LIMITS, KINDS = Limits(), served_tasks.KINDS
GOOD = ("a [MASK] that comes first", "another [MASK], longer than the first of them " * 9, "1,000")
# What the client did wrong; any other error is a fault of the model.
REFUSED = (tf.errors.InvalidArgumentError, TypeError, ValueError)


HEADER = """
| threads, {} | good requests | p50, ms | p99, ms | hostile: answered, refused | MB before, after |
|---|---|---|---|---|---|"""


class Request(NamedTuple):
    """The name of a signature, and its inputs by name."""

    signature: str
    inputs: Mapping[str, tf.Tensor]

    def send(self, model: Any) -> dict[str, np.ndarray]:
        """Returns the answers of a loaded model."""
        outputs = model.signatures[self.signature](**self.inputs)
        return {name: np.asarray(value.numpy()) for name, value in outputs.items()}


class Result(NamedTuple):
    """What happened with one number of threads.

    Attributes:
      threads: the number.
      good: the number of good requests.
      p50: the milliseconds of half of the good requests.
      p99: the milliseconds of 99 % of them.
      answered: the number of hostile requests with an answer.
      refused: the number of hostile requests with an error of the request.
      before: the memory of the process before, in MB.
      after: the memory afterwards.
      faults: what went wrong, a line each.
    """

    threads: int
    good: int
    p50: float
    p99: float
    answered: int
    refused: int
    before: float
    after: float
    faults: Sequence[str] = ()

    def __str__(self) -> str:
        cells = (
            f"{self.threads} | {self.good} | {self.p50:.1f} | {self.p99:.1f}",
            f"{self.answered}, {self.refused} | {self.before:.0f}, {self.after:.0f}",
        )
        return "\n".join((f"| {' | '.join(cells)} |", *self.faults))


def described(error: Exception) -> str:
    """Returns the type and the message, which the `repr` of TensorFlow's errors leaves out."""
    return f"{type(error).__name__}: {str(error):.300}"


def texts(model: Any, rows: Sequence[str | bytes], choices: int = 2) -> Request:
    """Returns a request with the same texts for each input, and with choices if it takes them."""
    inputs = {}
    _, specs = model.signatures["serving_default"].structured_input_signature
    for name, spec in specs.items():
        values = np.array(rows, object)
        if len(spec.shape) == 2:
            values = np.repeat(values[:, np.newaxis], choices, axis=1)
        inputs[name] = tf.constant(values, tf.string, values.shape)
    return Request("serving_default", inputs)


def tokens(model: Any, rows: int, length: int, value: int = 4) -> Request:
    """Returns a request with rows of one id, with two choices if the model takes them."""
    _, specs = model.signatures["tokens"].structured_input_signature
    rank = len(next(iter(specs.values())).shape)
    size = [rows, *[2] * (rank - 2), length]
    ids, types = tf.fill(size, value), tf.zeros(size, tf.int32)
    return Request("tokens", dict(zip(TF1_HUB, (ids, tf.ones_like(ids), types))))


def good(model: Any) -> list[Request]:
    """Returns requests of 1 to 7 rows."""
    rows = [[GOOD[(begin + i) % 3] for i in range(count)] for begin, count in enumerate((1, 2, 7))]
    return [*(texts(model, row) for row in rows), tokens(model, 3, 9)]


def hostile(model: Any, limits: Limits = LIMITS) -> Iterator[Request]:
    """Yields requests that must be answered or refused."""
    for row in (
        b"",
        b"\0\0",
        b"\xff\xfe\x80",
        b"\xed\xa0\x80 x",
        b" " * 9999,
        b"\xef\xb7\xba" * 99,
    ):
        yield texts(model, [row, GOOD[0]])
    yield texts(model, [])
    yield texts(model, ["word " * 3000, "\u4e00" * 30000])
    yield texts(model, ["x" * (limits.bytes + 1)])
    yield texts(model, ["\ufdfa" * (limits.bytes // 30)])
    yield texts(model, [""] * (limits.tokens + 1))
    yield texts(model, ["[MASK] " * 9999] + ["[MASK]"] * 9999)
    yield texts(model, ["a"] * 9, choices=limits.tokens // 9)
    yield texts(model, ["_ " * 999, "a" * 9999], choices=99)
    request = texts(model, GOOD)
    yield request._replace(inputs={n: tf.ones(x.shape) for n, x in request.inputs.items()})
    yield request._replace(inputs={n: x[..., None, None] for n, x in request.inputs.items()})
    yield request._replace(inputs={})
    for size in ([1, 9999], [9999, 0], [0, 9], [limits.tokens, 2]):
        yield tokens(model, *size)
    yield tokens(model, 3, 9, value=-(2**31))
    ids, *others = tokens(model, 3, 9).inputs.items()
    yield Request("tokens", dict([(ids[0], ids[1][:1]), *others]))
    for record in (b"", b"no example", b"\0" * 99, b"x" * (limits.bytes + 1)):
        yield Request("examples", {"examples": tf.constant([record] * 3)})


def soak(models: Mapping[str, Any], requests: int, threads: int, seed: int = 0) -> Result:
    """Sends requests from several threads, of which two thirds are good, and checks the answers."""
    good_ones = [(kind, model, r) for kind, model in models.items() for r in good(model)]
    expected = [request.send(model) for _, model, request in good_ones]
    bad_ones = [(k, model, r) for k, model in models.items() for r in hostile(model)]
    before, lock = memory(), threading.Lock()
    numbers = iter(np.random.default_rng(seed).integers(0, 1 << 30, requests).tolist())
    seconds, answered, refused, faults = [], [], [], []

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            if number % 3 == 0:
                kind, model, request = bad_ones[number // 3 % len(bad_ones)]
                try:
                    request.send(model)
                    answered.append(kind)
                except REFUSED:
                    refused.append(kind)
                except Exception as error:  # Any other error is what this program looks for.
                    faults.append(f"{kind} {request.signature}: {described(error)}")
                continue
            index = number // 3 % len(good_ones)
            kind, model, request = good_ones[index]
            begin = time.perf_counter()
            try:
                outputs = request.send(model)
            except Exception as error:
                faults.append(f"{kind} {request.signature}: {described(error)}")
                continue
            seconds.append(time.perf_counter() - begin)
            for name, value in expected[index].items():
                if not np.array_equal(outputs[name], value):
                    faults.append(f"{kind} {request.signature}: another {name}")

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    p50, p99 = (1000 * q for q in np.percentile(seconds or [0], [50, 99]))
    counts = len(answered), len(refused)
    return Result(threads, len(seconds), p50, p99, *counts, before, memory(), faults)


def soak_in_cpp(
    exports: Mapping[str, Any], requests: int, threads: Sequence[int]
) -> Iterator[Result]:
    """Does the same as `soak` in a C++ program, which compares all answers with those alone.

    Args:
      exports: a `served_tasks.Served` for each kind.
      requests: the number of requests for each number of threads.
      threads: the numbers of threads.
    """
    models = [(place, export.model) for place, export in enumerate(exports.values())]
    good_ones, bad_ones = (
        [(place, r.signature, r.inputs) for place, model in models for r in make(model)]
        for make in (good, hostile)
    )
    paths, faults = [export.path for export in exports.values()], []
    for line in cpp_server.load(paths, good_ones, bad_ones, requests, threads):
        if line[0] == "fault":
            place, signature, _ = [*good_ones, *bad_ones][int(line[1])]
            faults.append(f"{list(exports)[place]} {signature}: {line[2]}")
            continue
        number, count, p50, p99, *others = line
        yield Result(int(number), int(count), float(p50), float(p99), *map(int, others), faults)
        faults = []


def memory(name: str = "VmRSS") -> float:
    """Returns a size of this process in MB: the memory in use, or with "VmHWM" its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def peak(call: Callable[[], object]) -> float:
    """Returns the MB that a request adds to the memory of the process, answered or refused.

    TensorFlow keeps freed memory, so a request shows only what it needs beyond those before it.
    """
    Path("/proc/self/clear_refs").write_text("5")  # Resets the peak.
    before = memory()
    with contextlib.suppress(REFUSED):
        call()
    return memory("VmHWM") - before


def largest(model: Any, kind: str, length: int, limits: Limits = LIMITS) -> dict[str, Request]:
    """Returns requests that are just within a limit, or are refused late, by a description."""
    inputs = len(texts(model, [""]).inputs)
    size = limits.bytes // (inputs + (kind == "multiple_choice"))
    rows = limits.tokens // length // (2 if kind == "multiple_choice" else 1)
    words = "a [MASK] " * (length // 2)
    return {
        "one word of all bytes": texts(model, ["\u4e00" * (size // 3)]),
        "ligatures that become all bytes": texts(model, ["\ufdfa" * (size // 33)]),
        "words of all bytes": texts(model, ["a " * (size // 2)]),
        "short texts": texts(model, ["a"] * (limits.tokens // 80)),
        "long texts": texts(model, [words] * (rows // 8)),
        "a long text beside short ones": texts(model, [words * 2, *["[MASK]"] * (rows * 2)]),
        "ids": tokens(model, rows, length),
    }


def export(folder: Path, kinds: Sequence[str] = KINDS, **sizes: Any) -> dict[str, Any]:
    """Returns a `served_tasks.Served` with random weights for each kind."""
    source = folder / "source"
    if not source.exists():
        shutil.copytree(TESTDATA / "tf1_tiny", source)
        with gzip.open(TESTDATA / "pretraining_data/corpus.txt.gz", "rt") as lines:
            vocabulary.train(lines, source / "small", vocab_size=200, character_coverage=0.99)
    return {
        kind: served_tasks.export(kind, source, Path(tempfile.mkdtemp(dir=folder)), **sizes)
        for kind in kinds
    }


def _print_peaks(kind: str, base: bool) -> None:
    """Prints the memory of the largest requests, added up, and their seconds."""
    settings: dict[str, Any] = {}
    if base:
        sizes = dataclasses.asdict(presets.get("albert_base_v2").config)
        sizes = {**tiny_task.MODEL, **{name: sizes[name] for name in tiny_task.MODEL}}
        settings = dict(length=512, sizes={**sizes, "vocab_size": 1000})
    with tempfile.TemporaryDirectory() as folder:
        model = export(Path(folder), [kind], **settings)[kind].model
        for request in good(model):
            request.send(model)
        total = 0.0
        for name, request in largest(model, kind, settings.get("length", 16)).items():
            begin = time.perf_counter()
            total += max(peak(lambda r=request: r.send(model)), 0)
            seconds = time.perf_counter() - begin
            print(
                f"| {kind}{' base' * base} | {name} | {total:.0f} MB | {seconds:.1f} s |",
                flush=True,
            )


def main() -> None:
    """Prints a table of latencies by threads, or of peaks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=3000, help="in total (%(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--cpp", action="store_true", help="also without Python; needs g++")
    parser.add_argument("--peak", choices=KINDS, help="measure the largest requests of this kind")
    parser.add_argument("--base", action="store_true", help="with --peak: a model of base size")
    args = parser.parse_args()
    host = machine.describe()
    print(f"{host['processor']}, {host['cores']} cores")
    if args.peak:
        _print_peaks(args.peak, args.base)
        return
    with tempfile.TemporaryDirectory() as folder:
        exports, count = export(Path(folder)), args.requests // len(args.threads)
        models = {kind: served.model for kind, served in exports.items()}
        soak(models, count // 3, max(args.threads))  # Warms up.
        print(HEADER.format("in Python"), flush=True)
        for threads in args.threads:
            print(soak(models, count, threads, seed=threads), flush=True)
        if args.cpp:
            print(HEADER.format("in C++"), flush=True)
            for result in soak_in_cpp(exports, count, args.threads):
                print(result, flush=True)


if __name__ == "__main__":
    main()
