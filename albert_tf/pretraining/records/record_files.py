"""Reads record files, and handles truncated or damaged ones."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf
from absl import logging
from google.protobuf import message

from albert_tf.errors import InputError

IDS = "A record must hold ids of the vocabulary, which has this number of pieces:"
# The errors of the assertions and of the parser of record_batches.py.
_MISFIT = re.compile(r"(A record must|Key: |Feature: \w+ \(data type|Could not parse example).*")
# TensorFlow puts bytes of a record into its message; Python cannot read all of them as UTF-8.
MISFITS = (tf.errors.InvalidArgumentError, UnicodeDecodeError)
FRAME = 16  # The size of a record's length and two checksums, in bytes.
_LENGTH = struct.Struct("<Q")


class RecordFile(NamedTuple):
    """A file and the number of records to read from its beginning; -1 for all."""

    path: str
    records: int = -1


def size(path: str) -> int:
    """Returns the size in bytes of a file, local or in a store that TensorFlow can read."""
    return tf.io.gfile.stat(path).length


def intact(paths: Sequence[str]) -> list[RecordFile]:
    """Reads all files and returns them without anything that follows a broken record.

    The number of skipped bytes is logged for each file and in total.
    """
    files, lost = [], []
    for path in paths:
        records, end = _scan(path)
        files.append(RecordFile(path, records))
        missing = size(path) - end
        if missing:
            lost.append(missing)
            logging.warning(
                "'%s': record %d is broken; skipping it and the rest of the file, %d bytes.",
                path,
                records,
                missing,
            )
    if lost:
        logging.warning(
            "Skipped in %d of %d record files: %d bytes.", len(lost), len(paths), sum(lost)
        )
    return [file for file in files if file.records]


def check_lengths(paths: Sequence[str]) -> None:
    """Checks that the lengths of all records fit into their files; the records are not read.

    TensorFlow's reader takes the memory that a length claims, and a wrong one kills the process.

    Raises:
      InputError: a length is wrong.
    """
    for path in paths:
        records, end = _frames(path)
        if records >= 0 and end < size(path):
            raise _broken(path, records, end)


def first_record(path: str | os.PathLike) -> tf.train.Example | None:
    """Returns the first record of a file, or None if the file has no records.

    Raises:
      InputError: the file does not contain `tf.train.Example` records.
    """
    return next(iter(first_records(path, 1)), None)


def first_records(path: str | os.PathLike, count: int) -> list[tf.train.Example]:
    """Returns at most `count` records from the beginning of a file, up to a broken one.

    Raises:
      InputError: the file does not contain `tf.train.Example` records.
    """
    path, records = str(path), []
    fitting, end = _frames(path)
    count = count if fitting < 0 else min(count, fitting)
    try:
        for serialized in tf.data.TFRecordDataset(path).take(count):
            records.append(tf.train.Example.FromString(serialized.numpy()))
    except (tf.errors.DataLossError, message.DecodeError):
        end = -1
    if not records and end != size(path):
        raise InputError(
            f"A record file must contain tf.train.Example records. Received '{path}', whose first "
            "record is not one. Pass files that `albert-tf data build` wrote."
        )
    return records


@contextlib.contextmanager
def naming_broken(paths: Sequence[str]) -> Iterator[None]:
    """Turns TensorFlow's errors about records into `InputError`, which names a broken file.

    Raises:
      InputError: a record in one of the files is broken, or does not fit the model.
    """
    try:
        yield
    except MISFITS as error:
        text = str(error)
        if isinstance(error, UnicodeDecodeError):
            text = error.object.decode("utf-8", errors="replace")
        if (misfit := _MISFIT.search(" ".join(text.split()))) is None:
            raise
        raise InputError(
            "Every record must fit the model in features, lengths and ids. Received records in "
            f"'{paths[0]}' and {len(paths) - 1} other files: "
            f"{misfit[0].split(' [[')[0].replace('] [', ' ')[:200].rstrip(']')}. Rebuild the data "
            "with the vocabulary and the lengths of the run."
        ) from error
    except tf.errors.DataLossError as error:
        for path in paths:
            records, end = _scan(path)
            if end < size(path):
                raise _broken(path, records, end) from error
        raise


def _broken(path: str, records: int, end: int) -> InputError:
    return InputError(
        f"Record files must be complete. Received '{path}', whose record {records}, counted from "
        f"0, is truncated or damaged at byte {end}. Rebuild the data, or set skip_broken_records "
        "to skip the rest of the file."
    )


def _frames(path: str) -> tuple[int, int]:
    """Returns the number of records before the first whose length is wrong, and where they end.

    Files in a remote store are not checked, as that would read them twice; the number is then -1.
    """
    if "://" in path:
        return -1, size(path)
    count, end, total = 0, 0, os.path.getsize(path)
    if not total:
        return count, end
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        while end + _LENGTH.size <= total:
            after = end + _LENGTH.unpack_from(data, end)[0] + FRAME
            if after > total:
                break
            count, end = count + 1, after
    return count, end


def _scan(path: str) -> tuple[int, int]:
    """Returns the number of intact records before the first broken one, and where they end."""
    records = tf.data.TFRecordDataset(path).take(_frames(path)[0]).ignore_errors().batch(1024)
    sizes = records.map(
        lambda batch: tf.stack([tf.size(batch), tf.reduce_sum(tf.strings.length(batch) + FRAME)])
    )
    total = sizes.reduce(
        tf.zeros(2, tf.int64), lambda sum, more: sum + tf.cast(more, tf.int64)
    ).numpy()
    return int(total[0]), int(total[1])
