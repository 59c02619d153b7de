"""Measures how many sequences per second the reader of pretraining records delivers on one core.

    python -m benchmarks.pretraining_reader [--length 512] [--batch 32] [--rounds 5]

Three readers take turns in one process, bound to one core: ours on records with dynamic masks,
which it draws; ours on records with static masks; and Model Garden's on the same static records.
All of them shuffle and repeat, as in training. The text is the documentation of installed packages.
Rates are per second of processor time, on which other programs have little influence. The goal is
3000 sequences of 512 tokens per second.
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
SEQUENCES = 4096  # per call; far more than a reader prefetches while the others take their turns


def main() -> None:
    """Builds the records, measures the readers and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default, text in (
        ("length", 512, "sequence length in tokens"),
        ("batch", 32, "sequences per batch"),
        ("rounds", 5, "turns of each reader"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} ({default})")
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
    print("sequences per second of processor time: median, min, max")
    for name, values in seconds.items():
        rates = [SEQUENCES / value for value in values]
        print(f"  {name:<30}{statistics.median(rates):>8.0f}{min(rates):>8.0f}{max(rates):>8.0f}")


def build_records(folder: Path, length: int) -> dict[str, str]:
    """Builds records of the same text in both formats and returns their globs by format."""
    write_corpus(folder / "text.txt", folder / "rest.txt", max_bytes=6_000_000)
    globs = {}
    for record_format in ("dynamic", "model_garden"):
        settings = BuildSettings(length, record_format, dupe_factor=1, shards=4)
        build(str(folder / "text.txt"), VOCAB, folder / record_format, settings)
        globs[record_format] = str(folder / record_format / FILES)
    return globs


def predictions(length: int) -> int:
    """Returns P, the default number of masked tokens for a length."""
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
