"""Warmup requests, which TensorFlow Serving runs before a version takes traffic.

Without them, the first requests would be slow.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from albert_tf.serving import signatures
from albert_tf.serving.served_task import ServedTask

# The path where the server looks for warmup requests.
NAME = "assets.extra/tf_serving_warmup_requests"
TOKENS = (8, 32, 128, 512)
BATCH_SIZES = (1, 4)


class Request(NamedTuple):
    """The name of a signature, and its inputs by name."""

    signature: str
    inputs: Mapping[str, np.ndarray]


def write(folder: Path, requests: Iterable[Request]) -> None:
    """Writes requests into an artefact as `PredictionLog` records, if there are any."""
    requests = list(requests)
    if not requests:
        return
    path = folder / NAME
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = signature
            for name, values in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
            writer.write(log.SerializeToString())


def of_task(task: ServedTask) -> Iterator[Request]:
    """Yields requests of several lengths and batch sizes for each signature of a task."""
    texts, ids = (task.table[name].inputs for name in ("serving_default", "tokens"))
    for batch, length in _batches(task.seq_length):
        text = " ".join(["[MASK]"] + ["word"] * (length // len(texts)))
        inputs = {name: np.full(_sizes(spec, batch), text) for name, spec in texts.items()}
        yield Request("serving_default", inputs)
        yield Request("examples", {"examples": records(inputs)})
        yield Request("tokens", _tokens(ids, batch, length, task.special_ids.mask))


def of_encoder(names: Iterable[str], longest: int, mask_id: int) -> Iterator[Request]:
    """Yields requests for each signature of an encoder that takes ids.

    Args:
      names: names of signatures, from `signatures.ENCODER`.
      longest: the length of the position table.
      mask_id: the id of [MASK].
    """
    inputs_by_name = {name: signatures.ENCODER[name].inputs for name in names}
    for batch, length in _batches(longest):
        for name, inputs in inputs_by_name.items():
            if inputs:
                yield Request(name, _tokens(inputs, batch, length, mask_id))


def _batches(longest: int) -> Iterator[tuple[int, int]]:
    """Yields all combinations of batch size and sequence length."""
    return itertools.product(BATCH_SIZES, sorted({min(tokens, longest) for tokens in TOKENS}))


def _tokens(
    specs: Mapping[str, signatures.Spec], batch: int, length: int, mask_id: int
) -> dict[str, np.ndarray]:
    """Returns rows that contain only [MASK], and one position to predict if `specs` has positions.

    More positions would not work with batching: `mlm` returns one row per position, and the server
    could not split the rows among its requests.
    """
    ids, mask, types, *positions = specs
    sizes = [*_sizes(specs[ids], batch)[:-1], length]
    arrays = {ids: np.full(sizes, mask_id), mask: np.ones(sizes), types: np.zeros(sizes)}
    arrays.update({name: np.zeros([batch, 1]) for name in positions})
    return {name: array.astype(np.int32) for name, array in arrays.items()}


def records(texts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns a serialised tf.train.Example for each row, with the texts as features."""
    rows = [dict(zip(texts, row)) for row in zip(*texts.values())]
    return np.array([_record(row) for row in rows], object)


def _record(row: Mapping[str, str | np.ndarray]) -> bytes:
    example = tf.train.Example()
    for name, values in row.items():
        texts = [str(text).encode() for text in np.atleast_1d(values)]
        example.features.feature[name].bytes_list.value.extend(texts)
    return example.SerializeToString()


def _sizes(spec: signatures.Spec, batch: int) -> list[int]:
    """Returns the size of each axis of an input; axes after the batch have size 2."""
    return [batch, *[2] * (len(spec.axes) - 1)]
