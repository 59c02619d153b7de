"""Record files, and what to do about those that are cut off or damaged."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf
from absl import logging
from google.protobuf import message

from albert_tf.errors import InputError

FRAME = 16  # bytes of a record besides its content: length, two checksums


class RecordFile(NamedTuple):
    """A file and how many of its records to read, from the first; -1 for all."""

    path: str
    records: int = -1


def size(path: str) -> int:
    """Returns the bytes of a file, local or of a store that TensorFlow reads."""
    return tf.io.gfile.stat(path).length


def whole(paths: Sequence[str]) -> list[RecordFile]:
    """Returns the files without what lies behind a broken record, after reading all of them.

    What is left out is logged, file by file and in sum.
    """
    files, lost = [], []
    for path in paths:
        records, end = _scan(path)
        files.append(RecordFile(path, records))
        missing = size(path) - end
        if missing:
            lost.append(missing)
            logging.warning(
                "'%s': record %d is broken; it and what follows it, %d bytes, are left out.",
                path,
                records,
                missing,
            )
    if lost:
        logging.warning(
            "Left out of %d of %d record files: %d bytes.", len(lost), len(paths), sum(lost)
        )
    return [file for file in files if file.records]


def first_record(path: str | os.PathLike) -> tf.train.Example | None:
    """Returns the first record of a file; None if it holds none.

    Raises:
      InputError: the file does not hold records of features.
    """
    try:
        for serialized in tf.data.TFRecordDataset(str(path)).take(1):
            return tf.train.Example.FromString(serialized.numpy())
    except (tf.errors.DataLossError, message.DecodeError) as error:
        raise InputError(
            f"A record file must hold tf.train.Example records. Received '{path}', whose first "
            "record is not one. Name files that `albert-tf data build` wrote."
        ) from error
    return None


@contextlib.contextmanager
def naming_broken(paths: Sequence[str]) -> Iterator[None]:
    """Turns the reader's error on a broken record, which tells no file, into one that does.

    Raises:
      InputError: a record of one of the files is broken.
    """
    try:
        yield
    except tf.errors.DataLossError as error:
        for path in paths:
            records, end = _scan(path)
            if end < size(path):
                raise InputError(
                    f"Record files must be whole. Received '{path}', whose record {records}, "
                    f"counted from 0, is cut off or damaged at byte {end}. Build the data again, "
                    "or set skip_broken_records to leave out what follows."
                ) from error
        raise


def _scan(path: str) -> tuple[int, int]:
    """Returns the number of whole records before the first broken one, and the byte they end at."""
    records = tf.data.TFRecordDataset(path).ignore_errors().batch(1024)
    sizes = records.map(
        lambda batch: tf.stack([tf.size(batch), tf.reduce_sum(tf.strings.length(batch) + FRAME)])
    )
    total = sizes.reduce(
        tf.zeros(2, tf.int64), lambda sum, more: sum + tf.cast(more, tf.int64)
    ).numpy()
    return int(total[0]), int(total[1])
