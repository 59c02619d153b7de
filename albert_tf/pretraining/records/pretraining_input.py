"""Reads pretraining records as `tf.data` batches for the model.

Reads the records of `pretraining_data.build` and of the original script, and records with Model
Garden's feature names; the kind is detected from the files. Records, settings and manifests are
checked against each other first, so that mistakes give one clear error instead of a parser error in
the middle of a run.

Axes: B batch, S max_seq_length, P max_predictions_per_seq.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from albert_tf.data.storage import expand
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records import record_batches, record_files, record_kinds, record_stream
from albert_tf.tokenization.special_ids import SENTENCEPIECE, SpecialIds

# For static records, about 6 MB at S = 64 and 30 MB at S = 512; for dynamic records, half of that.
SHUFFLE_BUFFER = 10_000
# Records that get their masks together in evaluation. Changing it changes the masks.
MASK_BLOCK = 64


def dataset(
    input_files: str | Sequence[str],
    *,
    max_seq_length: int,
    masking: Masking,
    vocab_size: int,
    global_batch_size: int,
    is_training: bool,
    seed: int | None = None,
    start_step: int = 0,
    input_context: tf.distribute.InputContext | None = None,
    shuffle_buffer: int = SHUFFLE_BUFFER,
    drop_remainder: bool | None = None,
    skip_broken_records: bool = False,
    special: SpecialIds = SENTENCEPIECE,
) -> tf.data.Dataset:
    """Returns batches of the model's inputs and labels.

    Elements are dicts of `input_word_ids`, `input_mask`, `input_type_ids` (int32 [B, S]),
    `masked_lm_positions`, `masked_lm_ids` (int32 [B, P]), `masked_lm_weights` (float32 [B, P]) and,
    for records with sentence order, `next_sentence_labels` (int32 [B, 1]).

    Training batches, including the masks of dynamic records, depend only on the files, the seed and
    the step: a dataset that starts at step n equals another one after n steps. In evaluation,
    dynamic records get the same masks each time, whatever the batch size.

    Args:
      input_files: glob patterns of record files, local or in a store that TensorFlow can read.
      max_seq_length: S, as set when the records were built.
      masking: P, and for dynamic records the mask settings.
      vocab_size: the number of pieces, the upper bound (exclusive) of random replacements in
        dynamic records.
      global_batch_size: the number of instances per step over all replicas.
      is_training: whether to shuffle and repeat endlessly; otherwise the records are read once, in
        order.
      seed: a nonnegative seed that makes training reproducible; None for a random one.
      start_step: the step to start training from; see record_stream.py for the cost of a late
        start.
      input_context: the context from `tf.distribute`; each input pipeline reads a different part.
      shuffle_buffer: the number of records in the shuffle buffer.
      drop_remainder: whether to drop an incomplete last batch; by default only in training.
      skip_broken_records: whether to skip the rest of a file after a broken record and log the
        number of bytes, which takes a pass over all files; otherwise it is an error.
      special: the special ids of the vocabulary, for the masks of dynamic records.

    Raises:
      InputError: no file matches, or the records do not match the arguments.
    """
    paths = [str(path) for path in expand(input_files)]
    with tf.init_scope():  # Runs eagerly, although parameter servers trace this function.
        check = tf.autograph.experimental.do_not_convert(record_kinds.check)
        kind = check(paths, max_seq_length, masking, skip_broken_records, vocab_size)
    files = [record_files.RecordFile(path) for path in paths if record_files.size(path)]
    if skip_broken_records:
        files = record_files.intact(paths)
    else:
        record_files.check_lengths(paths)
    part = record_stream.Part.of(input_context)
    batch_size = global_batch_size
    if input_context:
        batch_size = input_context.get_per_replica_batch_size(global_batch_size)
    step_size = batch_size * part.replicas
    if is_training:
        seed = np.random.SeedSequence().entropy % 2**63 if seed is None else seed
        first = start_step * step_size
        records = record_stream.endless(files, part, seed, shuffle_buffer, first)
    else:
        seed = start_step = 0
        records = record_stream.in_order(files, part)
    if drop_remainder is None:
        drop_remainder = is_training
    mask_seed = np.random.SeedSequence([seed, part.index]).generate_state(1, np.uint64)
    mask_seed = int(mask_seed[0] >> 1)

    def parse(number: tf.Tensor, serialized: tf.Tensor) -> record_batches.Batch:
        if not kind.dynamic:
            batch = record_batches.static(serialized, kind, max_seq_length, masking.max_predictions)
            return record_batches.checked(batch, vocab_size)
        key = tf.stack([tf.constant(mask_seed, tf.int64), number])
        parsed = record_batches.parse_dynamic(serialized, kind)
        batch = record_batches.dynamic(parsed, max_seq_length, masking, vocab_size, key, special)
        return record_batches.checked(batch, vocab_size)

    # The map keeps the order, so that a seed determines the batches. Masks are drawn for the
    # batches of all replicas together, so that they do not depend on the number of replicas. In
    # evaluation they are drawn for blocks of records, so that they do not depend on the batch size.
    block = step_size if is_training or not kind.dynamic else MASK_BLOCK
    batches = records.batch(block, drop_remainder=drop_remainder and block == batch_size)
    batches = batches.enumerate(start_step).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    if block != batch_size:
        batches = batches.rebatch(batch_size, drop_remainder=drop_remainder)
    return batches.prefetch(tf.data.AUTOTUNE)
