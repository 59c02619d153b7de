"""Reads record files as NumPy arrays, to show and count their contents."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from albert_tf.data.storage import location
from albert_tf.errors import InputError
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records import manifest, record_batches, statistics
from albert_tf.pretraining.records.examples import STATIC
from albert_tf.pretraining.records.record_files import (
    MISFITS,
    check_lengths,
    first_record,
    naming_broken,
)
from albert_tf.pretraining.records.record_kinds import Kind
from albert_tf.tokenization.special_ids import SENTENCEPIECE, SpecialIds
from albert_tf.tokenization.tokenizer import AlbertTokenizer

BATCH = 1024
Parser = Callable[[tf.Tensor, tf.Tensor], record_batches.Batch]


def read_arrays(
    path: str | os.PathLike,
    vocab_size: int,
    batch_size: int = BATCH,
    special: SpecialIds = SENTENCEPIECE,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields batches of features by the original's names, [N, length] each.

    Dynamic records get masks as in training, with the default settings. For static records, all
    features of the file are returned.

    Args:
      path: a record file.
      vocab_size: the upper bound (exclusive) of random replacements in dynamic records.
      batch_size: N.
      special: the special ids of the vocabulary.

    Raises:
      InputError: the file does not contain records, or a record is broken or unlike the first.
    """
    path = str(path)
    check_lengths([path])
    first = first_record(path)
    if first is None:
        return
    present = first.features.feature
    kind = Kind.of(present)
    missing = [name for name in kind.features() if name not in present]
    if missing:
        raise InputError(
            f"Pretraining records must have all features of their kind. Received '{path}', "
            f"{kind}, without {', '.join(missing)}. Rebuild the data."
        )
    if kind.dynamic:
        parse = _dynamic_parser(kind, _max_seq_length(path, kind), vocab_size, special)
    else:
        parse = _static_parser(present, kind)
    batches = tf.data.TFRecordDataset(path).batch(batch_size).enumerate()
    read = 0
    with naming_broken([path]):
        try:
            for number, serialized in batches:
                parsed = parse(number, serialized)
                arrays = {name: values.numpy() for name, values in parsed.items()}
                read += len(arrays["input_ids"])
                yield _with_boundaries(arrays) if kind.dynamic else arrays
        except MISFITS as error:
            raise InputError(
                "All records of a file must have the same features. Received "
                f"'{path}', in which one of the records {read} to {read + batch_size - 1}, "
                "counted from 0, has features with other names or lengths than the first record. "
                "Rebuild the data."
            ) from error


def _static_parser(present: Mapping[str, tf.train.Feature], kind: Kind) -> Parser:
    stored = {feature.stored_name(kind.model_garden): feature for feature in STATIC}
    stored = {name: feature for name, feature in stored.items() if name in present}
    schema = {}
    for name, feature in stored.items():
        values = present[name]
        length = len(values.float_list.value) or len(values.int64_list.value)
        schema[name] = tf.io.FixedLenFeature([length], feature.dtype)

    def parse(number: tf.Tensor, serialized: tf.Tensor) -> record_batches.Batch:
        del number
        parsed = tf.io.parse_example(serialized, schema)
        return {stored[name].name: values for name, values in parsed.items()}

    return parse


@functools.cache  # Tracing takes seconds, and there are many files.
def _dynamic_parser(kind: Kind, length: int, vocab_size: int, special: SpecialIds) -> Parser:
    masking = Masking(max_predictions=max(1, round(length * Masking.rate)))
    original = {feature.model_name: feature.name for feature in STATIC}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64), tf.TensorSpec([None], tf.string)])
    def parse(number: tf.Tensor, serialized: tf.Tensor) -> record_batches.Batch:
        seed = tf.stack([tf.constant(0, tf.int64), number])
        parsed = record_batches.parse_dynamic(serialized, kind)
        masked = record_batches.dynamic(parsed, length, masking, vocab_size, seed, special)
        return {**parsed, **{original[name]: values for name, values in masked.items()}}

    return parse


def _max_seq_length(path: str, kind: Kind) -> int:
    """Returns max_seq_length of the build, or without a manifest, that of the longest record."""
    folder = location(path).parent
    if (folder / manifest.NAME).is_file():
        return manifest.read(folder)["settings"]["max_seq_length"]
    records = tf.data.TFRecordDataset(path).batch(BATCH)
    with naming_broken([path]):
        parsed = (record_batches.parse_dynamic(batch, kind) for batch in records)
        return max(int(tf.shape(batch["input_ids"])[1]) for batch in parsed)


def _with_boundaries(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Replaces the lengths of units and segments with the static feature `token_boundary`."""
    units, segments = arrays.pop("unit_lengths"), arrays.pop("segment_lengths")
    boundary = np.zeros_like(arrays["input_mask"])
    begins = np.cumsum(units, 1) - units  # [N, U], counting text tokens only
    positions = begins + 1 + (begins >= segments[:, :1] - 2)
    rows, columns = np.nonzero(units)
    boundary[rows, positions[rows, columns]] = 1
    boundary[:, 0] = 1
    np.put_along_axis(boundary, np.cumsum(segments, 1) - 1, 1, axis=1)
    return {**arrays, "token_boundary": boundary}


def count(paths: Sequence[Path], tokenizer: AlbertTokenizer) -> Counter:
    """Returns the counts of statistics.py for all records of the files."""
    counts: Counter = Counter()
    for path in paths:
        for arrays in read_arrays(path, tokenizer.vocab_size, special=tokenizer.special_ids):
            _check_ids(path, arrays["input_ids"], tokenizer)
            counts.update(statistics.of_instances(arrays, tokenizer.mask_id, tokenizer.unk_id))
    return counts


def describe(arrays: dict[str, np.ndarray], row: int, tokenizer: AlbertTokenizer) -> str:
    """Returns an instance as text: the pieces of its segments, the predictions and the label.

    A predicted piece is shown as `[seen -> predicted]`; the two are equal if the piece was kept.
    A `|` precedes a piece that begins a masking unit within a word.
    """
    ids, length = arrays["input_ids"][row], int(arrays["input_mask"][row].sum())
    _check_ids("the records", ids[None], tokenizer)
    used = arrays["masked_lm_weights"][row] > 0
    positions = arrays["masked_lm_positions"][row][used].tolist()
    predicted = dict(zip(positions, arrays["masked_lm_ids"][row][used].tolist()))
    boundaries = arrays.get("token_boundary", np.zeros_like(arrays["input_ids"]))
    lines = {0: [], 1: []}
    for position in range(length):
        piece = tokenizer.pieces[ids[position]]
        if position in predicted:
            piece = f"[{piece} -> {tokenizer.pieces[predicted[position]]}]"
        elif boundaries[row][position] and not piece.startswith(("▁", "[")):
            piece = f"|{piece}"
        lines[int(arrays["segment_ids"][row][position])].append(piece)
    order = "none"
    if "next_sentence_labels" in arrays:
        order = ("0, in order", "1, swapped")[int(arrays["next_sentence_labels"][row][0])]
    shown = [f"{name}: {' '.join(pieces)}" for name, pieces in zip("AB", lines.values()) if pieces]
    summary = f"label {order}; {length} tokens of {len(ids)}; {len(predicted)} predictions"
    return "\n".join([*shown, summary])


def _check_ids(source: Path | str, ids: np.ndarray, tokenizer: AlbertTokenizer) -> None:
    highest = int(ids.max(initial=0))
    if highest >= tokenizer.vocab_size:
        raise InputError(
            f"Records must have ids below {tokenizer.vocab_size}, the size of the vocabulary. "
            f"Received the id {highest} in {source}. Pass the vocabulary that the data was built "
            "with; manifest.json beside the data has its SHA-256."
        )
