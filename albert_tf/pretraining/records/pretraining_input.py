"""Pretraining records to batches for the model, as `tf.data`.

Reads what `pretraining_data.build` writes, what the original script wrote, and records with Model
Garden's names; which of them is seen from the files. Records, settings and manifests are checked
against each other before any work: one clear error, not one of the parser's in the middle of a run.

Axes: B batch, S max_seq_length, P max_predictions_per_seq.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from albert_tf.data.storage import expand
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records import record_batches, record_files, record_kinds, record_stream

SHUFFLE_BUFFER = 10_000  # static records: about 6 MB at S = 64, 30 MB at S = 512; dynamic: half


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
) -> tf.data.Dataset:
    """Returns batches of the model's inputs and labels.

    Elements are dicts of `input_word_ids`, `input_mask`, `input_type_ids` (int32 [B, S]),
    `masked_lm_positions`, `masked_lm_ids` (int32 [B, P]), `masked_lm_weights` (float32 [B, P]) and
    `next_sentence_labels` (int32 [B, 1]), which records without sentence order leave out.

    Training batches, masks of dynamic records included, are a function of files, seed and step: the
    dataset that starts at step n gives what another one gives after n steps. Evaluation masks
    dynamic records the same way each time.

    Args:
      input_files: glob patterns of record files, local or of a store that TensorFlow reads.
      max_seq_length: S, as the records were built.
      masking: P, and for dynamic records how to draw masks.
      vocab_size: of the model; random replacements in dynamic records lie below it.
      global_batch_size: instances of all replicas together.
      is_training: shuffle and repeat without end; else one pass in order.
      seed: makes training the same on every run, not negative; None draws one.
      start_step: of training; see record_stream.py for what a late start costs.
      input_context: of `tf.distribute`; each input pipeline reads its own part.
      shuffle_buffer: records to draw the next one from.
      drop_remainder: leave out a last batch that is not full; by default in training only.
      skip_broken_records: leave out what follows a broken record in its file, and log how much that
        is, which takes a pass over all files; else reading ends in an error there.

    Raises:
      InputError: no file matches, or the records do not fit the arguments.
    """
    paths = [str(path) for path in expand(input_files)]
    with tf.init_scope():  # Eagerly, though parameter servers trace this function.
        check = tf.autograph.experimental.do_not_convert(record_kinds.check)
        kind = check(paths, max_seq_length, masking, skip_broken_records)
    files = [record_files.RecordFile(path) for path in paths if record_files.size(path)]
    if skip_broken_records:
        files = record_files.whole(paths)
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
            return record_batches.static(serialized, kind, max_seq_length, masking.max_predictions)
        key = tf.stack([tf.constant(mask_seed, tf.int64), number])
        parsed = record_batches.parse_dynamic(serialized, kind)
        return record_batches.dynamic(parsed, max_seq_length, masking, vocab_size, key)

    # Order is kept: a seed then fixes the batches. Masks are drawn for the batches of all replicas
    # together, so that they do not depend on how many there are.
    batches = records.batch(step_size, drop_remainder=drop_remainder and part.replicas == 1)
    batches = batches.enumerate(start_step).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    if part.replicas > 1:
        batches = batches.rebatch(batch_size, drop_remainder=drop_remainder)
    return batches.prefetch(tf.data.AUTOTUNE)
