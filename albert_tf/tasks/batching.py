"""Batches of `EncodedExamples` as `tf.data`: rows of like length together, the same on every run.

Sentences have very different lengths, and padding costs as much as words. A batch of rows of like
length needs little of it. Batches are a function of examples, seed and step alone, so that a run
that was killed goes on with the batches it would have had.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.tasks.encoded_examples import EncodedExamples, Ragged

# Batches that are sorted by length together: enough for like lengths, few enough to stay random.
POOL = 50


def epoch(
    lengths: np.ndarray, batch_size: int, seed: int, number: int, bucketed: bool = True
) -> np.ndarray:
    """Returns the batches of one pass in random order, indices int64 [steps, B].

    The last batch is filled up with examples from the beginning of the same order, so that every
    example comes at least once.

    Args:
      lengths: tokens of each example.
      batch_size: B.
      seed: of the run.
      number: of the pass, from 0.
      bucketed: whether rows of like length come together.
    """
    rng = np.random.default_rng([seed, number])
    steps = -(-len(lengths) // batch_size)
    order = np.resize(rng.permutation(len(lengths)), steps * batch_size)
    if bucketed:
        pools = np.split(order, range(POOL * batch_size, len(order), POOL * batch_size))
        order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = order.reshape(steps, batch_size)
    return batches[rng.permutation(steps)] if bucketed else batches


def training_batches(
    lengths: np.ndarray, batch_size: int, seed: int, bucketed: bool = True, start_step: int = 0
) -> Iterator[np.ndarray]:
    """Yields the batches of `epoch` after epoch without end, from `start_step` on."""
    steps = -(-len(lengths) // batch_size)
    for number in itertools.count(start_step // steps):
        skip = start_step % steps if number == start_step // steps else 0
        yield from epoch(lengths, batch_size, seed, number, bucketed)[skip:]


def evaluation_batches(
    lengths: np.ndarray, batch_size: int, replicas: int = 1
) -> Iterator[np.ndarray]:
    """Yields every example once, the longest first, so that memory fails at once or never.

    Each replica needs a batch at every step; where the last step has too few, its last batch comes
    again. `Outputs` counts an example once, however often it comes.
    """
    order = np.argsort(-lengths, kind="stable")
    batches = np.split(order, range(batch_size, len(order), batch_size))
    yield from batches
    yield from batches[-1:] * (-len(batches) % replicas)


def dataset(
    examples: EncodedExamples,
    *,
    global_batch_size: int,
    is_training: bool,
    seed: int = 0,
    width: int | None = None,
    start_step: int = 0,
    input_context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns batches of `EncodedExamples.batch`: endless in training, else one pass.

    Args:
      examples: at least one.
      global_batch_size: examples of all replicas together.
      is_training: whether to shuffle and repeat.
      seed: of the order in training.
      width: S of all batches, for devices that need one shape (TPUs); None pads each batch to its
        longest row and puts rows of like length together.
      start_step: batches of training that were used before.
      input_context: of `tf.distribute`; a training batch is cut into one part for each replica.
        In evaluation every pipeline reads all examples, as metrics need them in one place.

    Raises:
      InputError: the batch cannot be cut into equal parts for the replicas.
    """
    replicas = input_context.num_replicas_in_sync if input_context else 1
    if global_batch_size % replicas:
        raise InputError(
            "A batch must be cut into equal parts for the replicas. Received "
            f"global_batch_size={global_batch_size} for {replicas} replicas. Use a multiple."
        )
    size = global_batch_size // replicas
    pipelines = input_context.num_input_pipelines if input_context else 1
    first = (input_context.input_pipeline_id if input_context else 0) * replicas // pipelines
    lengths = examples.lengths

    def generate() -> Iterator[dict[str, np.ndarray]]:
        if not is_training:
            for batch in evaluation_batches(lengths, size, replicas // pipelines):
                yield examples.batch(batch, width)
            return
        batches = training_batches(lengths, global_batch_size, seed, width is None, start_step)
        for batch in batches:
            for part in range(first, first + replicas // pipelines):
                yield examples.batch(batch[part * size : (part + 1) * size], width)

    signature = _signature(examples, size if is_training else None, width)
    return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(8)


def _signature(
    examples: EncodedExamples, size: int | None, width: int | None
) -> dict[str, tf.TensorSpec]:
    rows = [size, examples.choices, width] if examples.choices else [size, width]
    names = ("input_word_ids", "input_mask", "input_type_ids")
    found = {name: tf.TensorSpec(rows, tf.int32) for name in names}
    found["example"] = tf.TensorSpec([size], tf.int32)
    for name, values in examples.labels.items():
        ragged = isinstance(values, Ragged)
        shape = [size, width] if ragged else [size, *values.shape[1:]]
        dtype = values.values.dtype if ragged else values.dtype
        found[name] = tf.TensorSpec(shape, tf.as_dtype(dtype))
    return found
