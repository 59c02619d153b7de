"""Reads serialised records as `tf.data`, in a reproducible order.

In training the order depends only on the files, the seed and the step: each epoch shuffles first
the files and then the records by (seed, epoch), so that reading can resume at any step as if it had
never stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.pretraining.records.record_files import RecordFile, naming_broken

CYCLE_LENGTH = 8  # Files read at the same time, which mixes shards and copies of the text.


class Part(NamedTuple):
    """The part of the records that one of several input pipelines reads; parts are disjoint.

    Attributes:
      pipelines: the number of input pipelines.
      index: the index of this pipeline.
      replicas: the number of replicas that this pipeline feeds, each with one batch per step.
    """

    pipelines: int = 1
    index: int = 0
    replicas: int = 1

    @classmethod
    def of(cls, context: tf.distribute.InputContext | None) -> Part:
        """Returns the part for an input pipeline of `tf.distribute`."""
        if context is None:
            return cls()
        pipelines = context.num_input_pipelines
        return cls(
            pipelines, context.input_pipeline_id, max(1, context.num_replicas_in_sync // pipelines)
        )


def in_order(files: Sequence[RecordFile], part: Part) -> tf.data.Dataset:
    """Returns the records of a part, read once, file by file."""
    return _files(files, part).flat_map(_reader(len(files), part))


def endless(
    files: Sequence[RecordFile], part: Part, seed: int, shuffle_buffer: int, first: int = 0
) -> tf.data.Dataset:
    """Returns the records of a part in endless epochs, each in a different order.

    Starting late costs at most two passes over the files, without parsing: one to count the records
    of an epoch and one to skip records in the epoch to start in.

    Args:
      files: the files, which must have at least one record.
      part: the part of this input pipeline.
      seed: the nonnegative seed of the order.
      shuffle_buffer: the number of records in the shuffle buffer.
      first: the number of the record to start from, counted over all epochs.

    Raises:
      InputError: the part has no records, or counting them finds a broken one.
    """

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        # Clears the global seed within the graph of this function: the order must not depend on it,
        # and a global seed of 0 would make `shuffle` compare the seed below, a tensor, with 0.
        tf.random.set_seed(None)
        key = tf.stack([tf.constant(seed, tf.int64), number])
        shuffle_seed = tf.random.stateless_uniform([], key, maxval=tf.int64.max, dtype=tf.int64)
        return (
            _files(files, part)
            .shuffle(len(files), seed=shuffle_seed, reshuffle_each_iteration=False)
            .interleave(_reader(len(files), part), cycle_length=CYCLE_LENGTH)
            .shuffle(shuffle_buffer, seed=shuffle_seed, reshuffle_each_iteration=False)
        )

    begin = passed = 0
    with naming_broken([file.path for file in files]), tf.init_scope():
        if len(files) < part.pipelines and not list(in_order(files, part).take(1)):
            raise InputError(
                "Each input pipeline must have a record, or training would wait forever. Received "
                f"{len(files)} record files for {part.pipelines} pipelines, with no record left "
                f"for pipeline {part.index}. Use more data or fewer workers."
            )
        if first:
            begin, passed = divmod(first, _count(in_order(files, part)))
    return tf.data.Dataset.counter(begin).flat_map(epoch).skip(passed)


def _files(files: Sequence[RecordFile], part: Part) -> tf.data.Dataset:
    """Returns the paths and numbers of records of the files that a part reads."""
    if len(files) >= part.pipelines:
        files = files[part.index :: part.pipelines]
    return tf.data.Dataset.from_tensor_slices(
        ([file.path for file in files], tf.constant([file.records for file in files], tf.int64))
    )


def _reader(file_count: int, part: Part) -> tf.types.experimental.Callable:
    """Returns a function from a file to its records.

    If there are fewer files than pipelines, the pipelines share the records of each file.
    """

    def read(path: tf.Tensor, count: tf.Tensor) -> tf.data.Dataset:
        records = tf.data.TFRecordDataset(path).take(count)
        if file_count >= part.pipelines:
            return records
        return records.shard(part.pipelines, part.index)

    return read


def _count(records: tf.data.Dataset) -> int:
    sizes = records.batch(1024).map(lambda batch: tf.size(batch, tf.int64))
    return int(sizes.reduce(tf.constant(0, tf.int64), tf.add))
