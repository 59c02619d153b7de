"""Measure an exported model on this machine, to size a deployment.

    albert-tf benchmark models/reviews
    albert-tf benchmark models/reviews --batch_sizes 1,8,32 --lengths 16,128 --output benchmark
    albert-tf benchmark lite/reviews --threads 1,2

MODEL is the folder of any export: a task or an encoder for TensorFlow Serving (of several versions,
the highest is taken), a preprocessor, or a LiteRT model. It is loaded into this process, without a
server, and gets requests whose texts consist of words of one token each, from its own vocabulary.

The command prints the latency of requests by number of texts and by length, their latency when
several clients send at the same time, what padding costs, memory, and the settings of batching that
follow for TensorFlow Serving. Network and HTTP are not included. With --output, the same is written
as benchmark.json, benchmark.png and batching.config.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from albert_tf.errors import InputError
from albert_tf.files import check_writable, replacing

from . import benchmark_target
from .benchmark_target import SPECIAL, Target

_LEAST = 3  # calls of each case
_WORTH = 0.9  # A batch size is large enough with this share of the best number of texts a second.


class Case(NamedTuple):
    """Requests of one kind: the number of texts, their tokens, and how many clients send them."""

    batch: int
    length: int
    clients: int = 1


class Times(NamedTuple):
    """What requests of one kind took; `texts` is the number of texts a second of all clients."""

    p50_ms: float
    p99_ms: float
    texts: float
    calls: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf benchmark`."""
    parser.add_argument("model", metavar="MODEL", help="folder of an exported model")
    parser.add_argument(
        "--batch_sizes", default="1,4,16", help="texts of a request (default: %(default)s)"
    )
    parser.add_argument(
        "--lengths",
        help="tokens of a text (default: 16, 64, 128 and 512, as far as the model takes them)",
    )
    parser.add_argument(
        "--threads",
        default="1,2,4",
        help="clients that send requests at the same time; for LiteRT, the largest number is that "
        "of the interpreter's threads (default: %(default)s)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=2.0,
        help=f"time for each case; slow ones get {_LEAST} requests (default: %(default)s)",
    )
    parser.add_argument("--output", metavar="DIR", help="folder for the results (default: none)")


def run(args: argparse.Namespace) -> None:
    """Measures the model, and prints and writes the results."""
    import tqdm

    batch_sizes = _numbers("--batch_sizes", args.batch_sizes)
    threads = _numbers("--threads", args.threads)
    lengths = _numbers("--lengths", args.lengths) if args.lengths else []
    if not 0 < args.seconds < 3600:
        raise InputError(f"--seconds must be above 0 and below 3600. Received {args.seconds}.")
    if args.output:
        check_writable(args.output, "--output")
    folder = benchmark_target.find(Path(args.model).expanduser())
    benchmark_target.start(folder)
    before, begin = _memory(), time.perf_counter()
    target = benchmark_target.load(folder, max(threads))
    seconds, loaded = time.perf_counter() - begin, _memory()
    lengths = [n for n in lengths or (16, 64, 128, 512) if n <= target.longest] or [target.longest]
    if not target.batches:
        batch_sizes, threads = [1], [1]
    middle = lengths[len(lengths) // 2]
    cases = [Case(batch, length) for length in lengths for batch in batch_sizes]
    cases += [Case(batch_sizes[0], middle, clients) for clients in threads if clients > 1]
    progress = tqdm.tqdm(cases, "benchmark", unit="case", disable=None)
    times = {case: measure(target, case, args.seconds) for case in progress}
    results = {
        "model": str(folder),
        "kind": target.kind,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_seconds": seconds,
        "memory_mb": {"model": loaded - before, "peak": _memory("VmHWM")},
        "cases": [{**case._asdict(), **times[case]._asdict()} for case in times],
        "padding": padding(target, lengths[-1], args.seconds) if target.batches else None,
        "batching": advice(times, middle) if len(batch_sizes) > 1 else None,
    }
    print(text(results))
    if args.output:
        write(results, Path(args.output).expanduser())


def measure(target: Target, case: Case, seconds: float) -> Times:
    """Sends requests of one kind for some seconds, after two that are not counted."""
    inputs = target.request([case.length] * case.batch)
    for _ in range(2):
        target.call(inputs)
    spent: list[float] = []
    begin = time.perf_counter()

    def client() -> None:
        calls = 0
        while calls < _LEAST or time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            target.call(inputs)
            spent.append(time.perf_counter() - start)
            calls += 1

    with ThreadPoolExecutor(case.clients) as pool:
        for done in [pool.submit(client) for _ in range(case.clients)]:
            done.result()
    total = time.perf_counter() - begin
    p50, p99 = 1000 * np.percentile(spent, [50, 99])
    return Times(float(p50), float(p99), case.batch * len(spent) / total, len(spent))


def padding(target: Target, length: int, seconds: float) -> dict[str, float]:
    """Compares a batch with one long and seven short texts to one of eight long texts.

    Returns:
      `tokens`, the share of real tokens in the padded batch, and `time`, its share of the time of
      the batch without padding. The nearer the two are, the less padding costs.
    """
    short = max(SPECIAL + 1, length // 8)
    mixed = [length, *[short] * 7]
    requests = [target.request(lengths) for lengths in (mixed, [length] * 8)]
    spent: list[list[float]] = [[], []]
    begin = time.perf_counter()
    for inputs in requests:
        target.call(inputs)
    while len(spent[0]) < _LEAST or time.perf_counter() - begin < seconds:
        for inputs, times in zip(requests, spent):  # in turn, so that both see the same machine
            start = time.perf_counter()
            target.call(inputs)
            times.append(time.perf_counter() - start)
    ratios = [mixed_time / full_time for mixed_time, full_time in zip(*spent)]
    return {"tokens": sum(mixed) / (8 * length), "time": statistics.median(ratios)}


def advice(times: Mapping[Case, Times], length: int) -> dict[str, Any]:
    """Returns settings of TensorFlow Serving's batching for texts of a length.

    Returns:
      `max_batch_size`, the smallest number of texts with at least 90 % of the best number of texts
      a second; `gain`, how many times as many texts a second that is as with single texts; and
      `batch_timeout_micros`, half of the latency of a single text, so that waiting for others adds
      less than a request takes anyway.
    """
    rates = {
        case.batch: value.texts
        for case, value in times.items()
        if case.length == length and case.clients == 1
    }
    best = min(batch for batch in rates if rates[batch] >= _WORTH * max(rates.values()))
    single = next(v for c, v in times.items() if c == Case(min(rates), length))
    return {
        "max_batch_size": best,
        "gain": rates[best] / rates[min(rates)],
        "batch_timeout_micros": int(500 * single.p50_ms),
    }


def batching_config(batching: Mapping[str, Any], cores: int) -> str:
    """Returns a file for the server's --batching_parameters_file."""
    most = batching["max_batch_size"]
    sizes = sorted({most, *(2**n for n in range(most.bit_length()) if 2**n < most)})
    return "".join(
        [
            "# Used by --enable_batching with --batching_parameters_file.\n",
            f"max_batch_size {{ value: {most} }}\n",
            f"batch_timeout_micros {{ value: {batching['batch_timeout_micros']} }}\n",
            "max_enqueued_batches { value: 100 }\n",
            f"num_batch_threads {{ value: {cores} }}\n",
            *(f"allowed_batch_sizes: {size}\n" for size in sizes),
            "pad_variable_length_inputs: true\n",
        ]
    )


def text(results: Mapping[str, Any]) -> str:
    """Returns the results as a table with remarks."""
    memory, batching = results["memory_mb"], results["batching"]
    lines = [
        f"{results['model']}: {results['kind']}",
        f"{results['processor']}, {results['cores']} cores",
        f"loaded in {results['load_seconds']:.1f} s; memory {memory['model']:.0f} MB for the "
        f"model, {memory['peak']:.0f} MB at most for the process",
        "",
        " texts  tokens  clients    p50, ms    p99, ms  texts/s  calls",
    ]
    for case in results["cases"]:
        lines.append(
            f"{case['batch']:6}{case['length']:8}{case['clients']:9}{case['p50_ms']:11.2f}"
            f"{case['p99_ms']:11.2f}{case['texts']:9.1f}{case['calls']:7}"
        )
    if padding := results["padding"]:
        lines += [
            "",
            f"padding: a batch with {padding['tokens']:.0%} real tokens takes "
            f"{padding['time']:.0%} of the time of one without padding",
        ]
    if batching and batching["max_batch_size"] == 1:
        lines.append("batching: not worth it; single texts give as many texts a second")
    elif batching:
        lines.append(
            f"batching: max_batch_size {batching['max_batch_size']} gives {batching['gain']:.2f} "
            "times the texts a second of single texts; batch_timeout_micros "
            f"{batching['batch_timeout_micros']}"
        )
    return "\n".join(lines)


def write(results: Mapping[str, Any], folder: Path) -> None:
    """Writes benchmark.json, benchmark.png and, if batches were measured, batching.config."""
    from albert_tf.tasks.results import figure

    folder.mkdir(parents=True, exist_ok=True)
    files = {"benchmark.json": json.dumps(results, indent=2) + "\n"}
    if results["batching"]:
        files["batching.config"] = batching_config(results["batching"], results["cores"])
    for name, content in files.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
        print(f"wrote {folder / name}")
    cases = [case for case in results["cases"] if case["clients"] == 1]
    with figure(folder / "benchmark.png", (6.0, 4.0)) as axes:
        for batch in dict.fromkeys(case["batch"] for case in cases):
            rows = [case for case in cases if case["batch"] == batch]
            x = [case["length"] for case in rows]
            axes.plot(x, [case["p50_ms"] for case in rows], marker="o", label=f"{batch} texts")
        axes.set(xscale="log", yscale="log", xlabel="tokens of a text", ylabel="p50, ms")
        axes.set_xticks(x, labels=map(str, x))
        axes.legend(fontsize="small")
    print(f"wrote {folder / 'benchmark.png'}")


def _numbers(flag: str, listed: str) -> list[int]:
    try:
        numbers = [int(part) for part in listed.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise InputError(
            f"{flag} must be whole numbers above 0, separated by commas. Received {listed!r}."
        )
    return sorted(set(numbers))


def _memory(name: str = "VmRSS") -> float:
    """Returns the memory of this process in MB: that in use, or with "VmHWM" its peak."""
    path = Path("/proc/self/status")
    if not path.exists():  # macOS
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines = path.read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def _processor() -> str:
    import platform

    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
