"""Compares a pretraining step of several systems on the same weights and batch.

    pip install --constraint constraints.txt '.[bench]'
    python -m benchmarks.train_step [--sizes base tiny] [--systems albert_tf ...] [--rounds 7]

A step is forward pass, both losses, backward pass, clipping and AdamW, with the metrics that each
system computes in training, in float32 and with dropout 0 as in version 2. Each system runs in its
own process with its default threads. First, the losses must agree to 1e-3. Then the systems take
turns, A B C A B C, so that a drift of the machine affects all alike, and the ratios within each
round are compared. Memory is the peak of the process minus its memory before the model was loaded,
so libraries are not counted.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from albert_tf import presets
from benchmarks import interleaved
from benchmarks.train_systems import OURS, TRAINERS, artefacts
from benchmarks.worker import first_calls, in_process

TOLERANCE = 1e-3


class Size(NamedTuple):
    """A model and its training batch: B rows of S tokens, P of them to predict.

    `padded` is the fraction of shorter rows; `albert-tf data build` makes one in ten shorter.
    """

    config: dict[str, object]
    batch: int
    length: int
    predictions: int
    padded: float = 0.0


_BASE = presets.get("albert_base_v2").config.to_dict()
_TINY = dict(
    vocab_size=8000, embedding_size=64, hidden_size=128, num_hidden_layers=3,
    num_attention_heads=4, intermediate_size=512, max_position_embeddings=128,
)  # fmt: skip
SIZES = {
    "base": Size(_BASE, 8, 128, 19),
    "base, short rows": Size(_BASE, 8, 128, 19, padded=0.1),
    "tiny": Size(_TINY, 64, 64, 10),
}


def batch(size: Size, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns a batch of random features."""
    rng, shape = np.random.default_rng(seed), (size.batch, size.length)
    lengths = np.full(size.batch, size.length)
    short = rng.random(size.batch) < size.padded
    if size.padded:
        short[0] = True
    lengths[short] = rng.integers(5, size.length, short.sum())
    mask = (np.arange(size.length) < lengths[:, np.newaxis]).astype(np.int32)
    vocabulary = size.config["vocab_size"]
    masked = [rng.permutation(np.arange(1, n))[: size.predictions] for n in lengths]
    positions = np.zeros([size.batch, size.predictions], np.int32)
    weights = np.zeros(positions.shape, np.float32)
    for row, places in enumerate(masked):
        count = min(len(places), max(1, round(0.15 * lengths[row])))
        positions[row, :count], weights[row, :count] = np.sort(places[:count]), 1.0
    return dict(
        input_word_ids=rng.integers(5, vocabulary, shape, np.int32) * mask,
        input_mask=mask,
        input_type_ids=(np.arange(size.length) >= lengths[:, np.newaxis] // 2) * mask,
        masked_lm_positions=positions,
        masked_lm_ids=rng.integers(5, vocabulary, positions.shape, np.int32),
        masked_lm_weights=weights,
        next_sentence_labels=rng.integers(0, 2, [size.batch, 1], np.int32),
    )


def measure(size: Size, systems: list[str], rounds: int, calls: int) -> str:
    """Measures one size and returns a table."""
    with tempfile.TemporaryDirectory() as folder:
        in_process(artefacts, size.config, Path(folder))
        trainers = {name: TRAINERS[name] for name in systems}
        workers, outputs = first_calls(trainers, Path(folder), batch(size))
        losses = {name: values[0] for name, values in outputs.items()}
        assert np.ptp([*losses.values()]) < TOLERANCE, f"losses differ: {losses}"
        seconds: dict[str, list[float]] = {name: [] for name in workers}
        for _ in tqdm(range(rounds), desc="rounds", leave=False):
            for name, worker in workers.items():
                seconds[name].append(worker.run(calls))
        peaks = {name: worker.bind(batch(size)) for name, worker in workers.items()}
        for worker in workers.values():
            worker.stop()
    title = f"{size.batch} x {size.length}, loss {losses[OURS]:.4f} in all systems"
    lines = [interleaved.table(title, seconds), "peak memory without libraries, MiB"]
    lines += [f"  {name:<28}{peak - before:>11.0f}" for name, (_, peak, before) in peaks.items()]
    return "\n".join(lines)


def main() -> None:
    """Prints a table for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sizes", nargs="+", default=[*SIZES], choices=SIZES, help="(default: all)")
    add("--systems", nargs="+", default=[*TRAINERS], choices=TRAINERS, help="(default: all)")
    add("--rounds", type=int, default=7, help="turns of each system (default: %(default)s)")
    add("--calls", type=int, default=2, help="steps in each turn (default: %(default)s)")
    args = parser.parse_args()
    systems = [OURS, *(name for name in args.systems if name != OURS)]
    for name in args.sizes:
        print(f"{name}: {measure(SIZES[name], systems, args.rounds, args.calls)}", flush=True)


if __name__ == "__main__":
    main()
