"""Record files as NumPy arrays, to look at and to count; training reads by `pretraining_input`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import message

from albert_tf.data import statistics
from albert_tf.data.features import STATIC
from albert_tf.errors import InputError
from albert_tf.tokenization.tokenizer import AlbertTokenizer

BATCH = 1024


def first_record(path: str | os.PathLike) -> tf.train.Example | None:
    """Returns the first record of a file; None if it holds none.

    Raises:
      InputError: the file does not hold records of features.
    """
    try:
        for serialized in tf.data.TFRecordDataset(os.fspath(path)).take(1):
            return tf.train.Example.FromString(serialized.numpy())
    except (tf.errors.DataLossError, message.DecodeError) as error:
        raise InputError(
            f"A record file must hold tf.train.Example records. Received '{path}', whose first "
            "record is not one. Name files that `albert-tf data build` wrote."
        ) from error
    return None


def read_arrays(
    path: str | os.PathLike, batch_size: int = BATCH
) -> Iterator[dict[str, np.ndarray]]:
    """Yields batches of all features of the table, [N, length] each, as the file has them.

    Raises:
      InputError: the file does not hold records, or a record is not like the first.
    """
    first = first_record(path)
    if first is None:
        return
    present = first.features.feature
    missing = [feature.name for feature in STATIC if feature.name not in present]
    if missing:
        raise InputError(
            f"Pretraining records must have all features of the table. Received '{path}' without "
            f"{', '.join(missing)}. Build the data again."
        )
    schema = {}
    for feature in STATIC:
        values = present[feature.name]
        length = len(values.float_list.value) or len(values.int64_list.value)
        schema[feature.name] = tf.io.FixedLenFeature([length], feature.dtype)
    records = tf.data.TFRecordDataset(os.fspath(path)).batch(batch_size)
    try:
        yield from records.map(lambda r: tf.io.parse_example(r, schema)).as_numpy_iterator()
    except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
        raise InputError(
            f"All records of a file must be whole and alike. Received '{path}', in which one is "
            "cut off or has features of another length than the first. Build the data again."
        ) from error


def count(paths: Sequence[Path], tokenizer: AlbertTokenizer) -> Counter:
    """Returns the counts of statistics.py over all records of the files."""
    counts: Counter = Counter()
    for path in paths:
        for arrays in read_arrays(path):
            _check_ids(path, arrays["input_ids"], tokenizer)
            counts.update(statistics.of_instances(arrays, tokenizer.mask_id, tokenizer.unk_id))
    return counts


def describe(arrays: dict[str, np.ndarray], row: int, tokenizer: AlbertTokenizer) -> str:
    """Returns an instance as text: its segments by pieces, what is predicted, its label.

    A predicted piece reads `[seen -> predicted]`, where seen and predicted are equal if it was
    kept; `|` stands before a piece that begins a unit of masking within a word.
    """
    ids, length = arrays["input_ids"][row], int(arrays["input_mask"][row].sum())
    _check_ids("the records", ids[None], tokenizer)
    used = arrays["masked_lm_weights"][row] > 0
    positions = arrays["masked_lm_positions"][row][used].tolist()
    predicted = dict(zip(positions, arrays["masked_lm_ids"][row][used].tolist()))
    lines = {0: [], 1: []}
    for position in range(length):
        piece = tokenizer.pieces[ids[position]]
        if position in predicted:
            piece = f"[{piece} -> {tokenizer.pieces[predicted[position]]}]"
        elif arrays["token_boundary"][row][position] and not piece.startswith(("▁", "[")):
            piece = f"|{piece}"
        lines[int(arrays["segment_ids"][row][position])].append(piece)
    label = int(arrays["next_sentence_labels"][row][0])
    order = "1, swapped" if label else "0, in order"
    return (
        f"A: {' '.join(lines[0])}\nB: {' '.join(lines[1])}\n"
        f"label {order}; {length} tokens of {len(ids)}; {len(predicted)} predictions"
    )


def _check_ids(source: Path | str, ids: np.ndarray, tokenizer: AlbertTokenizer) -> None:
    highest = int(ids.max(initial=0))
    if highest >= tokenizer.vocab_size:
        raise InputError(
            f"Records must hold ids below {tokenizer.vocab_size}, the size of the vocabulary. "
            f"Received the id {highest} in {source}. Name the vocabulary that the data was built "
            "with; its manifest.json has the SHA-256."
        )
