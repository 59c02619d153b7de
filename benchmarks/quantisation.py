"""Compares int8 with float32 on one encoder: speed, size and drift.

    python -m benchmarks.quantisation [--source MODEL] [--rounds 5] [--report]

"float32" is the exported SavedModel in TensorFlow. The others are LiteRT models, run row by row on
all cores. "int8" is the output of `albert-tf export lite --precision int8`: weights are quantised
per channel, and each row of activations at run time. "static int8" fixes the ranges of activations
in advance, on other rows than the measured ones; it is measured on full rows, to show why it is not
offered. Drift is measured on the sequence output at real tokens, as the largest difference, and as
the norm of the difference divided by the norm of the output. Without --source, the model has random
weights. The models take turns, so that a drift of the machine affects all alike.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from albert_tf import AlbertConfig, AlbertEncoder  # noqa: E402
from albert_tf.export import lite_model  # noqa: E402
from albert_tf.formats import load  # noqa: E402
from benchmarks import (  # noqa: E402
    artefacts,
    interleaved,
    machine,
    model_size,
    report,
    systems,
    traffic,
)

SHAPES = ("1x128", "8x128", "32x128-pairs")
LENGTH = 128  # the only length that the static int8 model supports
FLOAT32, STATIC = "float32", "static int8"
LITE = {"LiteRT float32": "lite_float32", "LiteRT int8": "lite_int8", STATIC: "lite_static"}


def main() -> None:
    """Measures and prints; see the module docstring."""
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
    add("--rounds", type=int, default=5, help="turns of each model (default: %(default)s)")
    add("--report", action="store_true", help=f"write the table to {report.PAGE}")
    args = parser.parse_args()
    encoder, config, name = _model(args)
    with tempfile.TemporaryDirectory() as folder:
        text = (
            f"{name}, {machine.describe()['processor']}, {len(os.sched_getaffinity(0))} cores\n\n"
        )
        text += _measure(encoder, config, Path(folder), args)
    print(text)
    if args.report:
        report.put("benchmarks.quantisation", text)


def _model(args: argparse.Namespace) -> tuple[AlbertEncoder, AlbertConfig, str]:
    if args.source:
        source = load.load(args.source)
        return AlbertEncoder.from_pretrained(source.path), source.config, Path(args.source).name
    tf.keras.utils.set_random_seed(1)
    config = model_size.config(args)
    name = f"{args.preset}, {config.num_hidden_layers} layers, random weights"
    return AlbertEncoder.from_albert_config(config), config, name


def _measure(
    encoder: AlbertEncoder, config: AlbertConfig, folder: Path, args: argparse.Namespace
) -> str:
    artefacts.write_hub(encoder, config, folder)
    for precision in ("float32", "int8"):
        artefacts.lite(encoder, config, folder, precision)
    _write_static(encoder, config, folder / LITE[STATIC])
    sizes = {FLOAT32: folder / "hub", **{name: folder / part for name, part in LITE.items()}}
    binds = {FLOAT32: systems.saved_model(folder)}
    binds |= {name: systems.lite(folder, part) for name, part in LITE.items()}
    lines = [
        "| batch | model | MB | ms per call | time / float32 | largest drift | relative drift |",
        "|---|---|---|---|---|---|---|",
    ]
    for shape in args.shapes:
        batch = traffic.batch(traffic.SHAPES[shape], config.vocab_size)
        real = batch["input_mask"].astype(bool)
        fits = real.all() and real.shape[1] == LENGTH
        calls = {name: bind(batch) for name, bind in binds.items() if fits or name != STATIC}
        rows = {name: np.asarray(call()[0])[real] for name, call in calls.items()}
        seconds = interleaved.measure(calls, args.rounds, 1)
        for name, values in seconds.items():
            drift = lite_model.drift_of(rows[name], rows[FLOAT32])
            median, least, most = report.ratio(values, seconds[FLOAT32])
            lines.append(
                f"| {shape} | {name} | {_megabytes(sizes[name]):.0f} "
                f"| {1000 * float(np.median(values)):.0f} "
                f"| {median:.2f} ({least:.2f} to {most:.2f}) "
                f"| {drift.largest:.1e} | {drift.relative:.1e} |"
            )
    return "\n".join(lines)


def _write_static(encoder: AlbertEncoder, config: AlbertConfig, folder: Path) -> None:
    converter = lite_model.converter(lite_model.of_encoder(encoder, config), LENGTH)

    def examples() -> Iterator[list[np.ndarray]]:
        rows = traffic.batch(traffic.Shape(32, LENGTH), config.vocab_size, seed=1).values()
        return ([x[np.newaxis] for x in row] for row in zip(*rows))

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = examples
    folder.mkdir()
    (folder / lite_model.NAME).write_bytes(converter.convert())


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
