"""Sequences a second that the reader of pretraining records gives to a trainer, on one core.

    python -m benchmarks.pretraining_reader [--length 512] [--batch 32] [--rounds 5]

Three readers take turns in one process bound to one core: ours of dynamic records, which draws
masks, ours of static records, and Model Garden's of the same static records. All shuffle and repeat
as in training. The text is the documentation of the installed packages. Rates count the processor's
time, which other work on the machine disturbs little; the goal is 3000 sequences of 512 tokens.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402
from official.nlp.data import pretrain_dataloader  # noqa: E402

from albert_tf.pretraining.masking.masking import Masking  # noqa: E402
from albert_tf.pretraining.records.build_settings import BuildSettings  # noqa: E402
from albert_tf.pretraining.records.pretraining_data import FILES, build  # noqa: E402
from albert_tf.pretraining.records.pretraining_input import dataset  # noqa: E402
from albert_tf.quickstart.docstrings import write_corpus  # noqa: E402
from benchmarks import interleaved  # noqa: E402

VOCAB = Path(__file__).parents[1] / "tests/testdata/tokenization/spm.model"
VOCAB_SIZE = 1000
SEQUENCES = 4096  # of one call; far more than are read ahead while others have their turn


def main() -> None:
    """Builds the records, checks and measures the readers, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        records = build_records(Path(folder), args.length)
        systems = {
            "albert_tf, dynamic records": ours(records["dynamic"], args.length, args.batch),
            "albert_tf, static records": ours(records["model_garden"], args.length, args.batch),
            "Model Garden, static records": theirs(
                records["model_garden"], args.length, args.batch
            ),
        }
        seconds = interleaved.measure(systems, args.rounds, calls=1, clock=time.process_time)
    print(interleaved.table(f"{SEQUENCES} sequences of {args.length} tokens", seconds))
    print("sequences a second of one core's time: median, least, most")
    for name, values in seconds.items():
        rates = [SEQUENCES / value for value in values]
        print(f"  {name:<30}{statistics.median(rates):>8.0f}{min(rates):>8.0f}{max(rates):>8.0f}")


def build_records(folder: Path, length: int) -> dict[str, str]:
    """Returns the globs of records of the same text, by their format."""
    write_corpus(folder / "text.txt", folder / "rest.txt", max_bytes=6_000_000)
    globs = {}
    for record_format in ("dynamic", "model_garden"):
        settings = BuildSettings(length, record_format, dupe_factor=1, shards=4)
        build(str(folder / "text.txt"), VOCAB, folder / record_format, settings)
        globs[record_format] = str(folder / record_format / FILES)
    return globs


def predictions(length: int) -> int:
    """Returns P, the usual share of the tokens."""
    return round(length * Masking.rate)


def ours(records: str, length: int, batch: int) -> Callable[[], object]:
    """Returns a function that reads sequences with our reader."""
    batches = dataset(
        records,
        max_seq_length=length,
        masking=Masking(max_predictions=predictions(length)),
        vocab_size=VOCAB_SIZE,
        global_batch_size=batch,
        is_training=True,
        seed=0,
    )
    return reading(batches, batch)


def theirs(records: str, length: int, batch: int) -> Callable[[], object]:
    """Returns a function that reads sequences with Model Garden's reader."""
    config = pretrain_dataloader.BertPretrainDataConfig(
        input_path=records,
        seq_length=length,
        max_predictions_per_seq=predictions(length),
        global_batch_size=batch,
        is_training=True,
        use_v2_feature_names=True,
        shuffle_buffer_size=10_000,  # as ours
        seed=0,
    )
    return reading(pretrain_dataloader.BertPretrainDataLoader(config).load(), batch)


def reading(batches: tf.data.Dataset, batch: int) -> Callable[[], object]:
    """Returns a function that takes the next `SEQUENCES` sequences."""
    iterator = iter(batches)

    def read() -> tf.Tensor:
        for _ in range(SEQUENCES // batch):
            last = next(iterator)
        return last["input_word_ids"].numpy()

    return read


if __name__ == "__main__":
    main()
