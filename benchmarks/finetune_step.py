"""Compares one epoch of fine-tuning on sentences of natural lengths in three systems.

    pip install --constraint constraints.txt '.[bench]'
    python -m benchmarks.finetune_step [--preset albert_base_v2] [--examples 128] [--rounds 3]

The data set is sentences from the documentation of installed packages, labelled by package; the
vocabulary is trained on more of them. Each system makes batches as its users get them. albert_tf
groups rows of similar length and removes the remaining padding (the last row of the table computes
it instead). Model Garden's SentencePredictionTask pads all rows to --length. transformers' Trainer
pads each batch to its longest row. An epoch takes every batch from the input pipeline through
forward pass, backward pass, clipping and AdamW, in float32, with the same weights and dropout 0.
Each system runs in its own process with its default threads. First, the mean losses must agree to
1e-3. Then the systems take turns, A B C A B C, and the ratios within each round are compared.

Results are saved after every round, and an interrupted run resumes with the missing rounds. Use
--layers for a quick trial: the cost is linear in the number of layers, but fixed costs, such as the
set-up of transformers' Trainer, then weigh more.
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
    """Measures the missing rounds and prints the tables."""
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
    add("--examples", type=int, default=128, help="number of sentences (default: %(default)s)")
    add(
        "--length",
        type=int,
        default=128,
        help="maximum length in tokens; Model Garden's fixed length (default: %(default)s)",
    )
    add("--batch", type=int, default=32, help="sentences per step (default: %(default)s)")
    add("--systems", nargs="+", default=[*SYSTEMS], choices=SYSTEMS, help="(default: all)")
    add("--rounds", type=int, default=3, help="epochs per system (default: %(default)s)")
    add(
        "--results",
        type=Path,
        default=RESULTS,
        help="JSON file to write, or to resume from (default: %(default)s)",
    )
    add("--again", action="store_true", help="discard the rounds in the results file")
    args = parser.parse_args()
    if args.examples % args.batch:
        parser.error(
            "--examples must be a multiple of --batch, so that no system drops examples. Received "
            f"{args.examples} and {args.batch}."
        )
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
    fixed = {"setting": setting, "systems": args.systems}
    if args.results.exists() and not args.again:
        results = json.loads(args.results.read_text(encoding="utf-8"))
        for key, wanted in fixed.items():
            if results[key] != wanted:
                raise InputError(
                    f"All rounds in a results file must have the same {key}. Received {wanted!r} "
                    f"for '{args.results}', which has {results[key]!r}. Use another --results "
                    "file, or --again to start over."
                )
        return results
    return {"machine": machine.describe(), **fixed, "wall": {}, "cpu": {}}


def _measure(
    args: argparse.Namespace, data: dict[str, np.ndarray], folder: Path, results: dict[str, Any]
) -> None:
    # The first epoch compiles everything; a second one would take as long as a round.
    systems = {name: SYSTEMS[name] for name in args.systems}
    workers, losses = first_calls(systems, folder, data, settling_calls=0)
    assert np.ptp([*losses.values()]) < TOLERANCE, f"losses differ: {losses}"
    print(f"loss {losses[OURS][0]:.4f} in all systems", flush=True)
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
