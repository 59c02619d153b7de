"""The order in which records are read, as `tf.data` of serialised records.

In training it is a function of the files, the seed and the number of the step alone: each epoch
shuffles the files and then the records by (seed, epoch), so that reading may begin at any step and
goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.pretraining.records.record_files import RecordFile, naming_broken

CYCLE_LENGTH = 8  # files read at once; mixes shards and the copies of the text


class Part(NamedTuple):
    """The part of the records that one of several input pipelines reads; parts are disjoint.

    Attributes:
      pipelines: how many there are.
      index: of this one.
      replicas: how many this one feeds, each with a batch a step.
    """

    pipelines: int = 1
    index: int = 0
    replicas: int = 1

    @classmethod
    def of(cls, context: tf.distribute.InputContext | None) -> Part:
        """Returns the part of an input pipeline of `tf.distribute`."""
        if context is None:
            return cls()
        pipelines = context.num_input_pipelines
        return cls(
            pipelines, context.input_pipeline_id, max(1, context.num_replicas_in_sync // pipelines)
        )


def in_order(files: Sequence[RecordFile], part: Part) -> tf.data.Dataset:
    """Returns the records of a part once, file after file."""
    return _files(files, part).flat_map(_reader(len(files), part))


def endless(
    files: Sequence[RecordFile], part: Part, seed: int, shuffle_buffer: int, first: int = 0
) -> tf.data.Dataset:
    """Returns the records of a part epoch after epoch, each in an order of its own.

    Beginning later costs two passes over the files at most, without parsing: one to count the
    records of an epoch and one to pass over those of the last epoch begun.

    Args:
      files: at least one record.
      part: of this input pipeline.
      seed: of the order, not negative.
      shuffle_buffer: records to draw the next one from.
      first: number of the record to begin with, counted over all epochs.

    Raises:
      InputError: the part has no record, or one is broken, found when counting.
    """

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        # In this function's graph alone: the order depends on nothing else, and a global seed of 0
        # would make shuffle compare our seed, a tensor, with 0.
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
                "Each input pipeline must have a record, or training would wait for ever. Received "
                f"{len(files)} record files for {part.pipelines} pipelines, and none is left for "
                f"number {part.index}. Use more data or fewer workers."
            )
        if first:
            begin, passed = divmod(first, _count(in_order(files, part)))
    return tf.data.Dataset.counter(begin).flat_map(epoch).skip(passed)


def _files(files: Sequence[RecordFile], part: Part) -> tf.data.Dataset:
    """Returns path and number of records of the files that a part reads."""
    if len(files) >= part.pipelines:
        files = files[part.index :: part.pipelines]
    return tf.data.Dataset.from_tensor_slices(
        ([file.path for file in files], tf.constant([file.records for file in files], tf.int64))
    )


def _reader(file_count: int, part: Part) -> tf.types.experimental.Callable:
    """Returns the function from a file to its records; few files are shared record by record."""

    def read(path: tf.Tensor, records: tf.Tensor) -> tf.data.Dataset:
        found = tf.data.TFRecordDataset(path).take(records)
        return found if file_count >= part.pipelines else found.shard(part.pipelines, part.index)

    return read


def _count(records: tf.data.Dataset) -> int:
    sizes = records.batch(1024).map(lambda batch: tf.size(batch, tf.int64))
    return int(sizes.reduce(tf.constant(0, tf.int64), tf.add))
