"""One pass of fine-tuning over sentences of their real lengths, by three systems in turn.

    pip install --constraint constraints.txt '.[bench]'
    python -m benchmarks.finetune_step [--preset albert_base_v2] [--examples 128] [--rounds 3]

The set is sentences of the installed documentation, labelled by package; a vocabulary is made of
more of them. Each system batches the set as its users get it: albert_tf puts rows of like length
together and leaves out the padding that is left (the last row of the table computes it), Model
Garden's SentencePredictionTask pads all to --length, transformers' Trainer pads each batch to its
longest row. A pass is every batch from the input pipeline through forward, backward, clipping and
AdamW, float32, same weights, dropout 0. Each system runs in a process of its own with its default
threads. The mean losses must agree to 1e-3 before anything is timed; then they take turns, A B C A
B C, and what counts is the ratio within a round.

Every round goes to the results at once; a run that was stopped goes on with the rounds that are
missing. --layers gives a quick trial: the cost is linear in the layers, but what a pass costs
besides, such as the set-up of transformers' Trainer, weighs more then.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from albert_tf.errors import InputError
from albert_tf.files import replacing
from benchmarks import interleaved, labelled_sentences, machine, model_size
from benchmarks.finetune_systems import OURS, SYSTEMS, artefacts
from benchmarks.worker import first_calls, in_process

TOLERANCE = 1e-3
RESULTS = Path(__file__).parent / "results" / "finetune_step.json"
CLOCKS = {"wall": "wall time", "cpu": "processor time of all cores"}


def main() -> None:
    """Measures the rounds that are missing and prints the tables."""
    args = _arguments()
    data = labelled_sentences.read(args.examples, args.length, args.batch)
    results = _read(args, _setting(args, data))
    if len(results["wall"].get(OURS, [])) < args.rounds:
        with tempfile.TemporaryDirectory() as folder:
            in_process(
                artefacts,
                model_size.config(args).to_dict(),
                int(data["labels"].max()) + 1,
                Path(folder),
            )
            _measure(args, data, Path(folder), results)
    print(results["setting"])
    for clock, title in CLOCKS.items():
        print(interleaved.table(title, results[clock]))


def _arguments() -> argparse.Namespace:
    parser = model_size.parser(__doc__)
    add = parser.add_argument
    add("--examples", type=int, default=128, help="(%(default)s)")
    add("--length", type=int, default=128, help="fixed length of Model Garden's (%(default)s)")
    add("--batch", type=int, default=32, help="(%(default)s)")
    add("--systems", nargs="+", default=[*SYSTEMS], choices=SYSTEMS)
    add("--rounds", type=int, default=3, help="turns of each system (%(default)s)")
    add("--results", type=Path, default=RESULTS, help="file to go on with (%(default)s)")
    add("--again", action="store_true", help="forget the rounds that are in the results")
    args = parser.parse_args()
    if args.examples % args.batch:
        parser.error("--examples must be a multiple of --batch, so that no system leaves some out")
    args.systems = [OURS, *(name for name in args.systems if name != OURS)]
    return args


def _setting(args: argparse.Namespace, data: dict[str, np.ndarray]) -> str:
    lengths, layers = np.diff(data["splits"]), model_size.config(args).num_hidden_layers
    return (
        f"{args.preset}, {layers} layers; {len(lengths)} sentences of {lengths.mean():.1f} tokens "
        f"on average, {lengths.max()} at most, in batches of {args.batch}; fixed length "
        f"{args.length}"
    )


def _read(args: argparse.Namespace, setting: str) -> dict[str, Any]:
    asked = {"setting": setting, "systems": args.systems}
    if args.results.exists() and not args.again:
        found = json.loads(args.results.read_text(encoding="utf-8"))
        for key, wanted in asked.items():
            if found[key] != wanted:
                raise InputError(
                    f"A results file is of one {key}. Received {wanted!r} for '{args.results}' of "
                    f"{found[key]!r}. Name another file by --results, or begin --again."
                )
        return found
    return {"machine": machine.describe(), **asked, "wall": {}, "cpu": {}}


def _measure(
    args: argparse.Namespace, data: dict[str, np.ndarray], folder: Path, results: dict[str, Any]
) -> None:
    # The first pass compiles all; a second one would cost as much as a round.
    systems = {name: SYSTEMS[name] for name in args.systems}
    workers, losses = first_calls(systems, folder, data, settling_calls=0)
    assert np.ptp([*losses.values()]) < TOLERANCE, f"losses differ: {losses}"
    print(f"loss {losses[OURS][0]:.4f} for all", flush=True)
    done = len(results["wall"].get(OURS, []))
    for _ in tqdm(range(done, args.rounds), desc="rounds", leave=False):
        turn = {name: (worker.run(1), worker.cpu_seconds) for name, worker in workers.items()}
        for name, seconds in turn.items():
            for clock, value in zip(CLOCKS, seconds):
                results[clock].setdefault(name, []).append(value)
        with replacing(args.results) as temporary:
            temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for worker in workers.values():
        worker.stop()


if __name__ == "__main__":
    main()
