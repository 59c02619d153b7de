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

import numpy as np
import tensorflow as tf

from albert_tf.data import record_files, record_stream
from albert_tf.data.features import STATIC, Feature
from albert_tf.data.records import first_record
from albert_tf.errors import InputError
from albert_tf.files import expand

SHUFFLE_BUFFER = 10_000  # about 6 MB of records at S = 64, 30 MB at S = 512


def dataset(
    input_files: str | Sequence[str],
    *,
    max_seq_length: int,
    max_predictions_per_seq: int,
    global_batch_size: int,
    is_training: bool,
    seed: int | None = None,
    start_step: int = 0,
    input_context: tf.distribute.InputContext | None = None,
    shuffle_buffer: int = SHUFFLE_BUFFER,
    drop_remainder: bool | None = None,
    skip_broken_records: bool = False,
) -> tf.data.Dataset:
    """Returns batches of the model's inputs and labels.

    Training batches are a function of files, seed and step: the dataset that starts at step n gives
    what another one gives after n steps.

    Elements are dicts of `input_word_ids`, `input_mask`, `input_type_ids` (int32 [B, S]),
    `masked_lm_positions`, `masked_lm_ids` (int32 [B, P]), `masked_lm_weights` (float32 [B, P]) and
    `next_sentence_labels` (int32 [B, 1]).

    Args:
      input_files: glob patterns of record files.
      max_seq_length: S of the records.
      max_predictions_per_seq: P of the records.
      global_batch_size: instances of all replicas together.
      is_training: shuffle and repeat without end; else one pass in order.
      seed: makes training the same on every run; None draws one.
      start_step: of training; see record_stream.py for what a late start costs.
      input_context: of `tf.distribute`; each input pipeline reads its own part.
      shuffle_buffer: records to draw the next one from.
      drop_remainder: leave out a last batch that is not full; by default in training only.
      skip_broken_records: leave out what follows a broken record in its file, and log how much that
        is, which takes a pass over all files; else reading ends in an error there.

    Raises:
      InputError: no file matches, or the first record of a file is not as described.
    """
    paths = [os.fspath(path) for path in expand(input_files)]
    check_records(paths, max_seq_length, max_predictions_per_seq)
    lengths = {"S": max_seq_length, "P": max_predictions_per_seq, "1": 1}
    schema = {f.name: _parser(f, lengths[f.axis]) for f in STATIC if f.model_name}
    files = [record_files.RecordFile(path) for path in paths if os.path.getsize(path)]
    if skip_broken_records:
        files = record_files.whole(paths)
    part = record_stream.Part.of(input_context)
    batch_size = global_batch_size
    if input_context:
        batch_size = input_context.get_per_replica_batch_size(global_batch_size)
    if is_training:
        seed = np.random.SeedSequence().entropy % 2**63 if seed is None else seed
        first = start_step * batch_size * part.replicas
        records = record_stream.endless(files, part, seed, shuffle_buffer, first)
    else:
        records = record_stream.in_order(files, part)
    batches = records.batch(
        batch_size, drop_remainder=is_training if drop_remainder is None else drop_remainder
    )

    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(serialized, schema)
        return {
            f.model_name: tf.cast(parsed[f.name], f.model_dtype) for f in STATIC if f.model_name
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
    for feature in STATIC:
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


def _parser(feature: Feature, length: int) -> tf.io.FixedLenFeature:
    return tf.io.FixedLenFeature([length], feature.dtype)
