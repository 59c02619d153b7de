"""Small record files for tests of readers. The first token of each record is its number."""

import numpy as np
import tensorflow as tf

from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records.examples import STATIC, serialize
from albert_tf.pretraining.records.pretraining_input import dataset

LENGTHS = {"S": 7, "P": 3, "1": 1, "L": 5, "G": 2, "U": 2}
SETTINGS = dict(
    max_seq_length=7,
    masking=Masking(max_predictions=3),
    vocab_size=40,
    global_batch_size=2,
    is_training=False,
)


def write(path, first, count, table=STATIC, **lengths):
    """Writes `count` records numbered from `first`; `lengths` override those above by axis."""
    lengths = {**LENGTHS, **lengths}
    arrays = {f.name: np.ones((count, lengths[f.axis]), f.dtype) for f in table}
    arrays["input_ids"][:, 0] = np.arange(first, first + count)
    if "segment_lengths" in arrays:
        arrays["segment_lengths"][:, 0] = lengths["L"] - 1
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in serialize(table, arrays):
            writer.write(record)


def write_parts(folder):
    """Writes 31 records to three files and returns a glob pattern for them."""
    for i, (first, count) in enumerate(((0, 11), (11, 9), (20, 11))):
        write(folder / f"part-{i}.tfrecord", first, count)
    return str(folder / "part-*.tfrecord")


def read(files, **changes):
    """Returns a data set with batches of small records."""
    return dataset(str(files), **{**SETTINGS, **changes})


def numbers(batches):
    """Returns the numbers of the records in the batches of a dataset."""
    return [int(n) for batch in batches for n in batch["input_word_ids"][:, 0]]
