"""Files of vectors: arrays of NumPy, and records of tf.train.Example."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.tasks.answer_files import Answer, AnswerFile


class Npy(AnswerFile):
    """An array float32 [N, D], which `numpy.load` reads, also with `mmap_mode`.

    Args:
      width: D.
      keep: no names; the format has no place for columns.

    Raises:
      InputError: columns should be kept.
    """

    IS_TEXT = False

    def __init__(self, width: int, keep: Sequence[str] = ()) -> None:
        super().__init__(keep)
        self._width = width
        if keep:
            raise InputError(
                "A .npy file has vectors only. Received --keep_columns with the columns "
                f"{', '.join(keep)}. Write .parquet, .tfrecord or .jsonl, or leave them out."
            )

    def begin(self) -> bytes:
        """Returns the content before the first vector."""
        return self._header(0)

    def add(self, answers: Iterable[Answer]) -> bytes:
        """Returns the content of the next vectors."""
        return b"".join(answer["embedding"].astype("<f4").tobytes() for answer in answers)

    def put(self, partial: Path, output: Path) -> None:
        """Moves the partial file to its place, with the number of vectors in its header."""
        begin = len(self.begin())
        header = self._header((os.path.getsize(partial) - begin) // (4 * self._width))
        with open(partial, "r+b") as file:
            file.write(header)
        super().put(partial, output)

    def _header(self, count: int) -> bytes:
        """Returns a header of a length that does not depend on the number of vectors."""
        header = io.BytesIO()
        shape = {"descr": "<f4", "fortran_order": False, "shape": (count, self._width)}
        np.lib.format.write_array_header_1_0(header, shape)  # It leaves room for larger numbers.
        return header.getvalue()


class TfRecord(AnswerFile):
    """Records of tf.train.Example: `embedding`, D floats, and the kept columns as bytes.

    Args:
      width: D.
      keep: the names of columns of the input.
    """

    IS_TEXT = False

    def __init__(self, width: int, keep: Sequence[str] = ()) -> None:
        super().__init__(keep)

    def begin(self) -> bytes:
        """Returns the content before the first vector."""
        return b""

    def add(self, answers: Iterable[Answer]) -> bytes:
        """Returns the content of the next vectors."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "records")
            with tf.io.TFRecordWriter(path) as writer:
                for answer in answers:
                    features = {name: _feature(value) for name, value in answer.items()}
                    example = tf.train.Example(features=tf.train.Features(feature=features))
                    writer.write(example.SerializeToString(deterministic=True))
            return Path(path).read_bytes()


def _feature(value: Any) -> tf.train.Feature:
    if isinstance(value, str):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
    return tf.train.Feature(float_list=tf.train.FloatList(value=value))


# The formats by extension.
VECTORS = {".npy": Npy, ".tfrecord": TfRecord}
