"""Inference of every system on the same weights: real tokens a second, in turn, round by round.

    pip install --constraint constraints.txt '.[bench]'
    python -m benchmarks.inference [--shapes 8x128 ...] [--systems albert_tf ...] [--rounds 7]

Each system runs in a process of its own, as its users run it, with its default threads. For each
shape all outputs are first compared at real tokens, and must agree to 1e-4 (int8 models tell how
far they are); then the systems take turns, A B C A B C, as machines drift, and what counts is the
ratio within a round. The matrix products alone run in the same turns: they are the limit
(`roofline`).

A shape that was finished is in the results and is not measured again; --again does. Systems whose
libraries are missing are named and left out. Close other programs before the figures matter.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.files import replacing
from benchmarks import artefacts, machine, model_size, report, roofline, traffic
from benchmarks.systems import OURS, QUANTISED, SYSTEMS
from benchmarks.worker import Failed, Worker, in_process

TOLERANCE = 1e-4
SECONDS_A_TURN = 1.0
ALL_SHAPES = {**traffic.SHAPES, **traffic.SCALING}


def main() -> None:
    """Measures what is asked for and not there yet, and prints the tables."""
    args = _arguments()
    results = _read(args.results)
    missing = [name for name in args.shapes if args.again or name not in results["shapes"]]
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            _measure(args, Path(folder), missing, results)
    print(report.tables(results))
    if not args.no_report:
        print(f"{report.write(results)}: written")


def _arguments() -> argparse.Namespace:
    parser = model_size.parser(__doc__)
    add = parser.add_argument
    add("--shapes", nargs="+", default=[*ALL_SHAPES], help=f"of {', '.join(ALL_SHAPES)}; all")
    add("--systems", nargs="+", default=[*SYSTEMS], help=f"of {', '.join(SYSTEMS)}; all")
    add("--rounds", type=int, default=7, help="turns of each system (%(default)s)")
    add("--results", type=Path, default=report.RESULTS, help="file to add to (%(default)s)")
    add("--again", action="store_true", help="measure shapes that are in the results too")
    add("--no_report", action="store_true", help=f"leave {report.PAGE} as it is")
    args = parser.parse_args()
    for what, names, known in (
        ("shape", args.shapes, ALL_SHAPES),
        ("system", args.systems, SYSTEMS),
    ):
        for name in names:
            if name not in known:
                raise InputError(f"Unknown {what}. Received {name!r}. {closest(name, known)}")
    if OURS not in args.systems:
        args.systems.insert(0, OURS)  # what the others are compared with
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
            f"A results file is of one model. Received {model} for '{args.results}' of "
            f"{results['model']}. Name another file by --results."
        )
    results["model"] = model
    print("writing the model in every format", flush=True)
    in_process(artefacts.tensorflow_formats, config, folder)
    if {"ONNX Runtime", "OpenVINO"} & set(args.systems):
        _or_tell("model.onnx", lambda: in_process(artefacts.onnx, folder))
    workers, known = {}, {**SYSTEMS, **roofline.PRODUCTS}
    for name in tqdm([*args.systems, *roofline.PRODUCTS], desc="loading", leave=False):
        _or_tell(name, lambda name=name: workers.update({name: Worker(known[name], folder)}))
    for shape in shapes:
        racing = workers
        if shape in traffic.SCALING:  # our own cost, batch by batch
            racing = {n: workers[n] for n in (OURS, *roofline.PRODUCTS) if n in workers}
        found = _measure_shape(shape, args.rounds, racing, config)
        results["shapes"][shape] = found
        results["loading"] |= {
            name: {"load": workers[name].load_seconds, "first_call": workers[name].first_call}
            for name in found["seconds"]
            if name not in roofline.PRODUCTS and name not in results["loading"]
        }
        with replacing(args.results) as temporary:
            Path(temporary).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for worker in workers.values():
        worker.stop()


def _or_tell(name: str, action: Callable[[], object]) -> bool:
    """Returns whether `action` succeeded; says why not."""
    try:
        action()
    except Failed as error:
        tqdm.write(f"{name}: left out: {str(error).strip().splitlines()[-1]}")
        return False
    return True


def _measure_shape(
    name: str, rounds: int, workers: Mapping[str, Worker], config: AlbertConfig
) -> dict[str, Any]:
    batch = traffic.batch(ALL_SHAPES[name], config.vocab_size)
    real = batch["input_mask"].astype(bool)
    outputs: dict[str, list[np.ndarray]] = {}
    for system, worker in tqdm(workers.items(), desc=f"{name}: first calls", leave=False):
        _or_tell(system, lambda: outputs.update({system: worker.bind(batch)}))  # noqa: B023
    differences = {
        system: _difference(found, outputs[OURS], real, system not in QUANTISED)
        for system, found in outputs.items()
        if found and system != OURS
    }
    calls = {s: max(1, round(SECONDS_A_TURN / workers[s].run(1))) for s in outputs}
    seconds: dict[str, list[float]] = {system: [] for system in outputs}
    for _ in tqdm(range(rounds), desc=f"{name}: rounds", leave=False):
        for system in outputs:
            seconds[system].append(workers[system].run(calls[system]))
    return {
        "positions": int(real.size),
        "tokens": int(real.sum()),
        "operations": roofline.operations(config, int(real.sum())),
        "measured": time.strftime("%Y-%m-%d"),
        "differences": differences,
        "seconds": seconds,
    }


def _difference(
    found: list[np.ndarray], wanted: list[np.ndarray], real: np.ndarray, must_agree: bool
) -> float:
    """Returns the largest difference at real tokens and of pooled outputs.

    Raises:
      AssertionError: it must not be, and is, more than `TOLERANCE`; a race of different numbers
        tells nothing.
    """
    parts = (found[0][real] - wanted[0][real], found[1] - wanted[1])
    difference = max(float(np.abs(part).max()) for part in parts)
    assert difference < TOLERANCE or not must_agree, f"outputs differ by {difference}"
    return difference


if __name__ == "__main__":
    main()
