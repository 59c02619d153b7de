"""Compares inference of all systems on the same weights, in real tokens per second.

    pip install --constraint constraints.txt '.[bench]'
    python -m benchmarks.inference [--shapes 8x128 ...] [--systems albert_tf ...] [--rounds 7]

Each system runs in its own process, as its users run it, with its default threads. For each shape,
the outputs at real tokens must first agree to 1e-4; the difference of int8 models is only reported.
Then the systems take turns, A B C A B C, so that a drift of the machine affects all alike, and the
ratios within each round are compared. The matrix products alone take turns with them, as the limit
of the machine (see `roofline`).

Shapes that are in the results file are not measured again, unless --again is given. Systems with
missing libraries are reported and skipped. Close other programs for reliable results.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.files import replacing
from benchmarks import (
    artefacts,
    interleaved,
    machine,
    model_size,
    report,
    roofline,
    traffic,
)
from benchmarks.systems import FLOAT32, INT8, LITE_INT8, OURS, QUANTISED, SYSTEMS
from benchmarks.worker import Worker, failure, in_process

TOLERANCE = 1e-4
FORMATS = ("hugging_face", "keras_hub", "model_garden", "lite_int8")
# `quantisation` compares the int8 models of other libraries.
DEFAULT = (*FLOAT32, INT8, LITE_INT8)
ALL_SHAPES = {**traffic.SHAPES, **traffic.SCALING}


def main() -> None:
    """Measures the requested shapes that have no results yet, and prints the tables."""
    args = _arguments()
    results = _read(args.results)
    missing = [name for name in args.shapes if args.again or name not in results["shapes"]]
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            _measure(args, Path(folder), missing, results)
    print(report.tables(results))
    if not args.no_report:
        print(f"wrote {report.write(results)}")


def _arguments() -> argparse.Namespace:
    parser = model_size.parser(__doc__)
    add = parser.add_argument
    shapes, systems = ", ".join(ALL_SHAPES), "; ".join(SYSTEMS)
    add("--shapes", nargs="+", default=[*ALL_SHAPES], help=f"{shapes} (default: all)")
    add(
        "--systems",
        nargs="+",
        default=[*DEFAULT],
        help=f"of: {systems} (default: {'; '.join(DEFAULT)})",
    )
    add("--rounds", type=int, default=7, help="turns of each system (default: %(default)s)")
    add(
        "--results",
        type=Path,
        default=report.RESULTS,
        help="JSON file to write or to extend (default: %(default)s)",
    )
    add("--again", action="store_true", help="also measure shapes that are in the results file")
    add("--no_report", action="store_true", help=f"do not update {report.PAGE}")
    args = parser.parse_args()
    for what, names, known in (
        ("shape", args.shapes, ALL_SHAPES),
        ("system", args.systems, SYSTEMS),
    ):
        for name in names:
            if name not in known:
                raise InputError(
                    f"--{what}s must be known names. Received {name!r}. {closest(name, known)}"
                )
    if OURS not in args.systems:
        args.systems.insert(0, OURS)  # the others are compared with it
    return args


def _read(path: Path) -> dict[str, Any]:
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return {"machine": machine.describe(), "model": None, "loading": {}, "shapes": {}}


def _measure(
    args: argparse.Namespace, folder: Path, shapes: list[str], results: dict[str, Any]
) -> None:
    config = model_size.config(args)
    model = f"{args.preset}, {config.num_hidden_layers} layers"
    if results["model"] not in (None, model):
        raise InputError(
            f"All results in a file must be of the same model. Received {model} for "
            f"'{args.results}', which has {results['model']}. Use another --results file."
        )
    results["model"] = model
    print("writing the model in every format", flush=True)
    in_process(artefacts.tensorflow_formats, config, folder, FORMATS)
    failed = artefacts.write_for(args.systems, folder)
    names = [name for name in args.systems if name not in failed]
    workers, known = {}, {**SYSTEMS, **roofline.PRODUCTS}
    for name in tqdm([*names, *roofline.PRODUCTS], desc="loading", leave=False):
        failure(name, lambda name=name: workers.update({name: Worker(known[name], folder)}))
    for shape in shapes:
        compared = workers
        if shape in traffic.SCALING:  # these shapes measure only our own cost
            compared = {n: workers[n] for n in (OURS, *roofline.PRODUCTS) if n in workers}
        result = _measure_shape(shape, args.rounds, compared, config)
        results["shapes"][shape] = result
        results["loading"] |= {
            name: {"load": workers[name].load_seconds, "first_call": workers[name].first_call}
            for name in result["seconds"]
            if name not in roofline.PRODUCTS and name not in results["loading"]
        }
        with replacing(args.results) as temporary:
            Path(temporary).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for worker in workers.values():
        worker.stop()


def _measure_shape(
    name: str, rounds: int, workers: Mapping[str, Worker], config: AlbertConfig
) -> dict[str, Any]:
    batch = traffic.batch(ALL_SHAPES[name], config.vocab_size)
    real = batch["input_mask"].astype(bool)
    outputs: dict[str, list[np.ndarray]] = {}
    for system, worker in tqdm(workers.items(), desc=f"{name}: first calls", leave=False):
        failure(system, lambda: outputs.update({system: worker.bind(batch)}))  # noqa: B023
    differences = {
        system: _difference(output, outputs[OURS], real, system not in QUANTISED)
        for system, output in outputs.items()
        if output and system != OURS
    }
    seconds = interleaved.take_turns({system: workers[system] for system in outputs}, rounds)
    return {
        "positions": int(real.size),
        "tokens": int(real.sum()),
        "operations": roofline.operations(config, int(real.sum())),
        "measured": time.strftime("%Y-%m-%d"),
        "differences": differences,
        "seconds": seconds,
    }


def _difference(
    output: list[np.ndarray], wanted: list[np.ndarray], real: np.ndarray, must_agree: bool
) -> float:
    """Returns the largest difference at real tokens and in the pooled output.

    Raises:
      AssertionError: the outputs must agree, but differ by more than `TOLERANCE`. Timing different
        computations would be meaningless.
    """
    parts = (output[0][real] - wanted[0][real], output[1] - wanted[1])
    difference = max(float(np.abs(part).max()) for part in parts)
    assert difference < TOLERANCE or not must_agree, f"outputs differ by {difference}"
    return difference


if __name__ == "__main__":
    main()
