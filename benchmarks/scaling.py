"""Measures how the cost of our encoder grows with batch size, real tokens and padding.

    python -m benchmarks.scaling [--layers 3] [--rounds 5] [--clock cpu]

The forward pass and the training step are measured on full rows of 128 tokens in batches of
different sizes, on padded rows in batches of different sizes, and on one batch padded to different
lengths. If only real tokens matter, the cost per token is the same in all cases. The shapes take
turns. `--clock cpu` measures processor time, on which other programs have less influence.
"""

from __future__ import annotations

import functools
import statistics

import tensorflow as tf
from tqdm import tqdm

from albert_tf import AlbertEncoder
from benchmarks import interleaved, model_size, traffic
from benchmarks.encoder import CLOCKS, step

FULL = [traffic.Shape(batch, 128) for batch in (4, 8, 16, 32)]
BATCHES = [traffic.Shape(batch, 128, traffic.PAIRS) for batch in (8, 16, 32, 64)]
# Rows with at most 64 tokens, padded to different lengths.
PADDED = [traffic.Shape(32, length, traffic.PAIRS[:-2]) for length in (128, 256, 512)]


def main() -> None:
    """Prints the table, in Markdown."""
    parser = model_size.parser(__doc__)
    parser.add_argument(
        "--rounds", type=int, default=5, help="turns of each shape (default: %(default)s)"
    )
    parser.add_argument(
        "--clock", default="wall", choices=CLOCKS, help="time to measure (default: %(default)s)"
    )
    args = parser.parse_args()
    config = model_size.config(args)
    encoder = AlbertEncoder.from_albert_config(config, remove_padding=True)
    signature = [[tf.TensorSpec([None, None], tf.int32)] * 3]
    forward = tf.function(lambda x: encoder(x)["sequence_output"], signature, autograph=False)
    passes = {"forward": forward, "training": step(encoder).get_concrete_function(*signature)}
    print(f"{args.preset}, {config.num_hidden_layers} layers, float32, {args.clock} time")
    kinds = {"full": FULL, "padded": BATCHES, "the same texts": PADDED}
    print("| batch | positions | real tokens | " + " | ".join(
        f"{name}, ms | microseconds per token" for name in passes) + " |")  # fmt: skip
    print("|---" * (3 + 2 * len(passes)) + "|")
    for kind, shapes in kinds.items():
        batches = {shape: traffic.batch(shape, config.vocab_size) for shape in shapes}
        calls = {
            (name, shape): functools.partial(run, [tf.constant(x) for x in batch.values()])
            for name, run in passes.items()
            for shape, batch in tqdm(batches.items(), leave=False)
        }
        seconds = interleaved.measure(calls, args.rounds, 1, CLOCKS[args.clock])
        for shape, batch in batches.items():
            tokens = int(batch["input_mask"].sum())
            cells = [f"{shape.batch}x{shape.length}, {kind}", batch["input_mask"].size, tokens]
            for name in passes:
                median = statistics.median(seconds[name, shape])
                cells += [f"{1000 * median:.0f}", f"{1e6 * median / tokens:.0f}"]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
