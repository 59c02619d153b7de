"""Batches of `EncodedExamples` as `tf.data`: bucketed by length, and reproducible.

Sentence lengths vary widely, and padding costs as much as real tokens. A batch of rows of similar
length needs little padding. Batches depend only on examples, seed and step, so a killed run resumes
with the batches that it would have used without the interruption.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.tasks.encoded_examples import EncodedExamples, Ragged

# The number of batches sorted by length together: enough to make lengths similar within a batch,
# and few enough to keep the order random.
POOL = 50


def epoch(
    lengths: np.ndarray, batch_size: int, seed: int, number: int, bucketed: bool = True
) -> np.ndarray:
    """Returns the batches of one epoch in random order, indices int64 [steps, B].

    The last batch is filled with examples from the start of the same order, so that every example
    is used at least once.

    Args:
      lengths: the number of tokens of each example.
      batch_size: B.
      seed: the seed of the run.
      number: the number of the epoch, counted from 0.
      bucketed: whether to put rows of similar length in the same batch.
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
    """Yields the batches of endless epochs, starting at batch `start_step`."""
    steps = -(-len(lengths) // batch_size)
    for number in itertools.count(start_step // steps):
        skip = start_step % steps if number == start_step // steps else 0
        yield from epoch(lengths, batch_size, seed, number, bucketed)[skip:]


def evaluation_batches(
    lengths: np.ndarray, batch_size: int, replicas: int = 1
) -> Iterator[np.ndarray]:
    """Yields batches of all examples, longest first, so that any memory failure occurs at once.

    Each replica needs a batch at every step, so the last batch is repeated if the last step has
    too few. `Outputs` counts each example only once.
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
    """Returns a dataset of `EncodedExamples.batch`: endless in training, otherwise one epoch.

    Args:
      examples: the examples; there must be at least one.
      global_batch_size: the number of examples in a batch over all replicas.
      is_training: whether to shuffle and repeat.
      seed: the seed for the order of training examples.
      width: the S of all batches, for devices that need a fixed shape (TPUs). With None, each batch
        is padded to its longest row, and rows of similar length are put in the same batch.
      start_step: the number of training batches to skip because they were used before.
      input_context: the context from `tf.distribute`. A training batch is split into one part for
        each replica. In evaluation every pipeline reads all examples, because metrics need them in
        one place.

    Raises:
      InputError: the batch does not divide equally among the replicas.
    """
    replicas = input_context.num_replicas_in_sync if input_context else 1
    if global_batch_size % replicas:
        raise InputError(
            "A batch must divide equally among the replicas. Received "
            f"global_batch_size={global_batch_size} for {replicas} replicas. Use a multiple of "
            f"{replicas}."
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
    rows = [size, *examples.row_axes, width]
    names = ("input_word_ids", "input_mask", "input_type_ids")
    specs = {name: tf.TensorSpec(rows, tf.int32) for name in names}
    specs["example"] = tf.TensorSpec([size], tf.int32)
    for name, values in examples.labels.items():
        ragged = isinstance(values, Ragged)
        shape = [size, width] if ragged else [size, *values.shape[1:]]
        dtype = values.values.dtype if ragged else values.dtype
        specs[name] = tf.TensorSpec(shape, tf.as_dtype(dtype))
    return specs
