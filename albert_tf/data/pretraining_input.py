"""Pretraining records to batches for the model, as `tf.data`.

Reads what `pretraining_data.build` writes and what the original script wrote. The first record of
each file is checked before any work: features that are missing or of another length give one clear
error, not one of the parser's in the middle of a run.

Axes: B batch, S max_seq_length, P max_predictions_per_seq.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from albert_tf.data.features import PRETRAINING, Feature
from albert_tf.data.records import first_record
from albert_tf.errors import InputError
from albert_tf.files import expand

SHUFFLE_BUFFER = 10_000  # about 6 MB of records at S = 64, 30 MB at S = 512
CYCLE_LENGTH = 8  # files read at once; mixes shards and the copies of the text


def dataset(
    input_files: str | Sequence[str],
    *,
    max_seq_length: int,
    max_predictions_per_seq: int,
    global_batch_size: int,
    is_training: bool,
    seed: int | None = None,
    input_context: tf.distribute.InputContext | None = None,
    shuffle_buffer: int = SHUFFLE_BUFFER,
    drop_remainder: bool | None = None,
) -> tf.data.Dataset:
    """Returns batches of the model's inputs and labels.

    Elements are dicts of `input_word_ids`, `input_mask`, `input_type_ids` (int32 [B, S]),
    `masked_lm_positions`, `masked_lm_ids` (int32 [B, P]), `masked_lm_weights` (float32 [B, P]) and
    `next_sentence_labels` (int32 [B, 1]).

    Args:
      input_files: glob patterns of record files.
      max_seq_length: S of the records.
      max_predictions_per_seq: P of the records.
      global_batch_size: instances of all replicas together.
      is_training: shuffle and repeat without end; else one pass in order.
      seed: makes the order of training the same on every run.
      input_context: of `tf.distribute`; each input pipeline reads its own part.
      shuffle_buffer: records to draw the next one from.
      drop_remainder: leave out a last batch that is not full; by default in training only.

    Raises:
      InputError: no file matches, or the first record of a file is not as described.
    """
    paths = [os.fspath(path) for path in expand(input_files)]
    check_records(paths, max_seq_length, max_predictions_per_seq)
    lengths = {"S": max_seq_length, "P": max_predictions_per_seq, "1": 1}
    schema = {f.name: _parser(f, lengths[f.axis]) for f in PRETRAINING if f.model_name}
    batch_size = global_batch_size
    if input_context:
        batch_size = input_context.get_per_replica_batch_size(global_batch_size)
    records = _records(paths, is_training, seed, input_context)
    if is_training:
        records = records.shuffle(shuffle_buffer, seed=seed).repeat()
    batches = records.batch(
        batch_size, drop_remainder=is_training if drop_remainder is None else drop_remainder
    )

    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(serialized, schema)
        return {
            f.model_name: tf.cast(parsed[f.name], f.model_dtype)
            for f in PRETRAINING
            if f.model_name
        }

    # Order is kept: a seed then fixes the batches. Parsing a batch at a time is fast enough.
    return batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def check_records(paths: Sequence[str], max_seq_length: int, max_predictions_per_seq: int) -> None:
    """Checks the features of the first record of each file against the table.

    Raises:
      InputError: a file does not hold records, a feature is missing or of another length, or no
        file holds a record.
    """
    lengths = {"S": max_seq_length, "P": max_predictions_per_seq, "1": 1}
    empty = 0
    for path in paths:
        record = first_record(path)
        if record is None:
            empty += 1
            continue
        _check_record(path, record, lengths)
    if empty == len(paths):
        raise InputError(
            f"Record files must hold records. Received {len(paths)} empty files, the first "
            f"'{paths[0]}'. Build the data again."
        )


def _check_record(path: str, record: tf.train.Example, lengths: dict[str, int]) -> None:
    present = record.features.feature
    options = {"S": "max_seq_length", "P": "max_predictions_per_seq", "1": "one value"}
    for feature in PRETRAINING:
        if feature.model_name is None:
            continue
        if feature.name not in present:
            raise InputError(
                f"A pretraining record must have the feature {feature.name!r}. Received "
                f"'{Path(path).name}' with {sorted(present)}. Build the data again."
            )
        values = present[feature.name]
        kind = values.float_list if feature.dtype == "float32" else values.int64_list
        length, wanted = len(kind.value), lengths[feature.axis]
        if length != wanted:
            raise InputError(
                f"The feature {feature.name!r} must have the length {wanted} "
                f"({options[feature.axis]}). Received {length} values in '{path}'. Set "
                f"{options[feature.axis]}={length}, or build the data with {wanted}."
            )


def _records(
    paths: Sequence[str],
    is_training: bool,
    seed: int | None,
    input_context: tf.distribute.InputContext | None,
) -> tf.data.Dataset:
    """Returns the serialised records of this input pipeline; files interleave in training."""
    pipelines = input_context.num_input_pipelines if input_context else 1
    index = input_context.input_pipeline_id if input_context else 0
    by_file = len(paths) >= pipelines
    files = tf.data.Dataset.from_tensor_slices(list(paths))
    if by_file:
        files = files.shard(pipelines, index)
    if not is_training:
        records = tf.data.TFRecordDataset(files)
    else:
        records = files.shuffle(len(paths), seed=seed).interleave(
            tf.data.TFRecordDataset, cycle_length=CYCLE_LENGTH
        )
    return records if by_file else records.shard(pipelines, index)


def _parser(feature: Feature, length: int) -> tf.io.FixedLenFeature:
    return tf.io.FixedLenFeature([length], feature.dtype)
