"""Reads the datasets of HDF5 files, of which only plain data inside the file is accepted."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from albert_tf.errors import InputError
from albert_tf.formats.source import Stored

_SMALL, _EXPANSION = 1 << 20, 100  # Bytes that need no space in the file; of compressed data.
_DEPTH = 50


def read_arrays(path: Path) -> dict[str, Stored]:
    """Returns the datasets of an HDF5 file by path; each is read only when accessed.

    Raises:
      InputError: the file is damaged, or refers to data outside of it.
    """
    with _complete(path), h5py.File(path) as file:
        return _below(file, "", path)


def _below(group: h5py.Group, prefix: str, path: Path) -> dict[str, Stored]:
    stored: dict[str, Stored] = {}
    for name in map(os.fsdecode, group):
        full = f"{prefix}{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _refused(path, full, "a link")
        item = group[name]
        if isinstance(item, h5py.Group):
            if prefix.count("/") >= _DEPTH:  # A group can contain itself.
                raise _refused(path, full, "nested too deeply")
            stored |= _below(item, f"{full}/", path)
            continue
        if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
            raise _refused(path, full, "stored outside of the file")
        if item.dtype.kind not in "fiu" or item.shape is None:
            raise _refused(path, full, f"of type {item.dtype}, not numbers")
        if item.nbytes > max(_SMALL, _EXPANSION * item.id.get_storage_size()):
            raise _refused(path, full, f"of {item.nbytes} bytes, more than the file has")
        stored[full] = Stored(tuple(item.shape), functools.partial(_read, path, full))
    return stored


def _read(path: Path, name: str) -> np.ndarray:
    with _complete(path), h5py.File(path) as file:
        return file[name][()]


def _refused(path: Path, name: str, reason: str) -> InputError:
    return InputError(
        "A weights file must contain its arrays as plain data. Received "
        f"'{path}', where {name[:80]!r} is {reason}. Save the model again."
    )


@contextlib.contextmanager
def _complete(path: Path) -> Iterator[None]:
    """Turns the errors of HDF5, which are of many kinds for a damaged file, into one."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"A weights file must be complete. Received '{path}', which HDF5 cannot read: {error}. "
            "Copy or download it again."
        ) from error
