"""Compares int8 models of all systems with ours in float32: speed, memory and drift.

    pip install --constraint constraints.txt '.[bench]'
    python -m benchmarks.quantisation [--shapes 8x128 ...] [--systems NAME ...] [--report]

Weights are random, or with --source those of a model. Each system runs in its own process, as in
`benchmarks.inference`, and the systems take turns; ratios are of times within a round. Drift is
measured on the sequence output at real tokens against ours in float32: the largest difference, and
the norm of the difference divided by the norm of the output. Memory is the peak of the process,
with its libraries. --clock cpu measures processor time, on which other programs have less
influence, but which counts threads that wait by spinning.

How each library makes its model is in `artefacts`. "reduced range" is 7 bits for weights, which
ONNX Runtime needs for exact sums on processors with AVX2 but without VNNI. With "int8 weights",
OpenVINO decides when it loads the model whether to quantise activations in each call or to compute
in float32. "OpenVINO, int8" fixes the ranges of activations in advance, on other rows than the
measured ones, and so does "LiteRT int8, static ranges", for 128 tokens only. Systems that cannot
run are reported and skipped.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.export import lite_model
from benchmarks import artefacts, interleaved, machine, model_size, report, traffic
from benchmarks.systems import OURS, QUANTISED, SYSTEMS
from benchmarks.worker import Worker, failure, in_process

SHAPES = ("1x16", "1x128", "8x128", "32x128", "32x128-pairs")
FORMATS = ("hugging_face", "lite_int8", "lite_static")
DEFAULT = (OURS, "ONNX Runtime", "OpenVINO", "transformers", *QUANTISED)


def main() -> None:
    """Measures and prints; see the module docstring."""
    args = _arguments()
    config, name = _model(args)
    with tempfile.TemporaryDirectory() as folder:
        text = f"{_setting(name, args)}\n\n{measure(config, Path(folder), args)}"
    print(text)
    if args.report:
        report.put("benchmarks.quantisation", text)


def _arguments() -> argparse.Namespace:
    parser = model_size.parser(__doc__)
    add = parser.add_argument
    add("--source", help="model in any format of `albert-tf convert` (default: random weights)")
    add(
        "--shapes",
        nargs="+",
        default=SHAPES,
        choices=traffic.SHAPES,
        help=f"batch size x length in tokens (default: {' '.join(SHAPES)})",
    )
    add(
        "--systems",
        nargs="+",
        default=DEFAULT,
        help=f"of: {'; '.join(SYSTEMS)} (default: {'; '.join(DEFAULT)})",
    )
    add("--rounds", type=int, default=5, help="turns of each system (default: %(default)s)")
    add("--threads", type=int, help="number of cores to use (default: all)")
    add(
        "--clock",
        default="wall",
        choices=("wall", "cpu"),
        help="time to measure (default: %(default)s)",
    )
    add("--report", action="store_true", help=f"write the table to {report.PAGE}")
    args = parser.parse_args()
    for name in args.systems:
        if name not in SYSTEMS:
            raise InputError(
                f"--systems must be known names. Received {name!r}. {closest(name, SYSTEMS)}"
            )
    if args.rounds < 1:
        raise InputError(f"--rounds must be at least 1. Received {args.rounds}.")
    if args.threads is not None:
        machine.use_cores(args.threads)
    args.systems = list(dict.fromkeys([OURS, *args.systems]))  # the others are compared with it
    return args


def _model(args: argparse.Namespace) -> tuple[AlbertConfig, str]:
    if args.source:
        from albert_tf.formats import load

        return load.load(args.source).config, Path(args.source).name
    config = model_size.config(args)
    return config, f"{args.preset}, {config.num_hidden_layers} layers, random weights"


def _setting(name: str, args: argparse.Namespace) -> str:
    host = machine.describe()
    libraries = ", ".join(f"{library} {version}" for library, version in host["libraries"].items())
    time = {"wall": "time of a call", "cpu": "processor time of a call on all cores"}[args.clock]
    return (
        f"{name}, {host['processor']}, {host['cores']} cores, {host['memory_gib']} GiB, "
        f"Python {host['python']}; {libraries}. {args.rounds} rounds, {time}."
    )


def measure(config: AlbertConfig, folder: Path, args: argparse.Namespace) -> str:
    """Writes the models to `folder`, and returns a table of each shape and what was skipped."""
    in_process(artefacts.tensorflow_formats, config, folder, FORMATS, args.source)
    failed = artefacts.write_for(args.systems, folder)
    workers: dict[str, Worker] = {}
    for name in tqdm([n for n in args.systems if n not in failed], desc="loading", leave=False):
        reason = failure(
            name, lambda name=name: workers.update({name: Worker(SYSTEMS[name], folder)})
        )
        failed |= {name: reason} if reason else {}
    tables = [_table(shape, workers, config, args) for shape in args.shapes]
    for worker in workers.values():
        worker.stop()
    return "\n\n".join([*tables, *_skipped(failed)])


def _table(
    shape: str, workers: Mapping[str, Worker], config: AlbertConfig, args: argparse.Namespace
) -> str:
    batch = traffic.batch(traffic.SHAPES[shape], config.vocab_size)
    real = batch["input_mask"].astype(bool)
    rows: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    for name, worker in tqdm(workers.items(), desc=f"{shape}: first calls", leave=False):

        def first_call(name: str = name, worker: Worker = worker) -> None:
            rows[name] = worker.bind(batch)[0][real]

        reason = failure(f"{shape}, {name}", first_call)
        failed |= {name: reason} if reason else {}
    bound = {name: workers[name] for name in rows}
    seconds = interleaved.take_turns(bound, args.rounds, args.clock)
    tokens = int(real.sum())
    lines = [
        f"### Int8: {shape}",
        "",
        f"{tokens} real tokens of {real.size} positions ({tokens / real.size:.0%}).",
        "",
        f"| system | ms | real tokens/s | time / {OURS} | largest drift | relative drift | "
        "memory, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, values in seconds.items():
        drift, middle = lite_model.drift_of(rows[name], rows[OURS]), statistics.median(values)
        median, least, most = report.ratio(values, seconds[OURS])
        lines.append(
            f"| {name} | {1000 * middle:.1f} | {tokens / middle:.0f} "
            f"| {median:.2f} ({least:.2f} to {most:.2f}) "
            f"| {drift.largest:.1e} | {drift.relative:.1e} | {bound[name].peak_memory:.0f} |"
        )
    return "\n\n".join(["\n".join(lines), *_skipped(failed)])


def _skipped(reasons: Mapping[str, str]) -> list[str]:
    return [f"{name}: skipped: {reason}" for name, reason in reasons.items()]


if __name__ == "__main__":
    main()
