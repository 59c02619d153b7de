"""Compares the loading time of an exported encoder with Model Garden's export of the same model.

    python -m benchmarks.loading [--preset albert_base_v2] [--rounds 5]

Each export is loaded in a new process. Also measured: the time of the export, its size relative to
the float32 weights, the time of the first calls, and the time of the first request after the warmup
of a server.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import artefacts, interleaved, model_size

# The import of TensorFlow is not timed. Model Garden's export takes a list.
PROGRAM = """
import json, sys, time
import tensorflow as tf
begin = time.perf_counter()
model = tf.saved_model.load(sys.argv[1])
loaded = time.perf_counter() - begin
x = tf.ones([1, 128], tf.int32)
inputs = [x, x, tf.zeros_like(x)]
if sys.argv[1].endswith("hub"):
    inputs = dict(zip(("input_word_ids", "input_mask", "input_type_ids"), inputs))
seconds = []
for _ in range(12):
    begin = time.perf_counter()
    model(inputs)
    seconds.append(time.perf_counter() - begin)
print(json.dumps([loaded, seconds]))
"""


def run(*program: str) -> Any:
    """Runs Python with the given arguments and parses the last line that it prints as JSON."""
    finished = subprocess.run(
        [sys.executable, *program],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(finished.stdout.splitlines()[-1])


def main() -> None:
    """Measures and prints; see the module docstring."""
    parser = model_size.parser(__doc__)
    parser.add_argument(
        "--rounds", type=int, default=5, help="processes per system (default: %(default)s)"
    )
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    from benchmarks import model_garden

    config = model_size.config(args)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begin = time.perf_counter()
        encoder = artefacts.hub(config, folder)
        print(f"model and export: {time.perf_counter() - begin:.1f} s")
        size = sum(p.stat().st_size for p in (folder / "hub").rglob("*") if p.is_file())
        weights = 4 * sum(v.shape.num_elements() for v in encoder.variables)
        print(f"export: {size / weights:.3f} times its float32 weights, {weights / 1e6:.1f} MB")
        peer = model_garden.encoder(encoder, config)
        peer.save(str(folder / "model_garden"), save_format="tf")
        seconds: dict[str, list[float]] = {"hub": [], "model_garden": []}
        calls: dict[str, list[list[float]]] = {"hub": [], "model_garden": []}
        for _ in range(args.rounds):
            for system in seconds:
                load_seconds, call_seconds = run("-c", PROGRAM, str(folder / system))
                seconds[system].append(load_seconds)
                calls[system].append(call_seconds)
        warm = [
            run("-m", "benchmarks.first_request", str(folder / "hub")) for _ in range(args.rounds)
        ]
    print(interleaved.table("loading in a new process", seconds))
    for system, rounds in calls.items():
        first, second, *steady = (statistics.median(call) for call in zip(*rounds))
        print(
            f"{system}: first call {1000 * first:.0f} ms, second {1000 * second:.1f} ms, "
            f"steady {1000 * statistics.median(steady):.1f} ms"
        )
    for signature in warm[0]:
        ratios = [_first_over_later(times[signature]) for times in warm]
        print(
            f"hub, {signature}: first request after warmup takes {statistics.median(ratios):.2f} "
            f"times as long as later ones ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def _first_over_later(seconds: list[float]) -> float:
    return seconds[0] / statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
