"""Finding input files, and writing outputs that are never left half done."""

from __future__ import annotations

import contextlib
import glob
import gzip
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from albert_tf.errors import InputError


def expand(patterns: str | Sequence[str]) -> list[Path]:
    """Returns the sorted files that match the glob patterns; `**` crosses folders.

    Args:
      patterns: one pattern, several joined by commas, or a list of them.

    Raises:
      InputError: a pattern matches no file.
    """
    if isinstance(patterns, str):
        patterns = [p.strip() for p in patterns.split(",") if p.strip()]
    if not patterns:
        raise InputError("An input pattern must not be empty. Received ''. Pass a glob of files.")
    found: set[Path] = set()
    for pattern in patterns:
        files = {
            Path(f)
            for f in glob.glob(os.path.expanduser(pattern), recursive=True)
            if os.path.isfile(f)
        }
        if not files:
            raise InputError(
                f"An input pattern must match at least one file. Received {pattern!r}, which "
                f"matches none from {os.getcwd()}. Check the path; quote globs in the shell."
            )
        found |= files
    return sorted(found)


def existing(path: str | os.PathLike, what: str) -> Path:
    """Returns `path` as a Path if it is a file; `what` names it in the error.

    Raises:
      InputError: there is no such file.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"{what} must be an existing file. Received '{path}'. Check the path.")
    return path


def open_text(path: Path) -> io.TextIOBase:
    """Opens a UTF-8 text file for reading, plain or gzip by its `.gz` ending.

    A path that is not a `Path` is one of upath's, on a remote file system.
    """
    if not isinstance(path, Path):
        return path.open("rt", encoding="utf-8", compression="infer")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return open(path, encoding="utf-8")


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path beside `path` and renames it to `path` if the block succeeds.

    Readers see the old file or the whole new one. If the block raises, the old file stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_new_directory(path: str | os.PathLike, what: str = "The output directory") -> Path:
    """Returns `path` if a new directory can be made there, and changes nothing.

    Raises:
      InputError: something that is not an empty directory lies there, or it cannot be written.
    """
    path = Path(path).expanduser()
    if path.exists() and not path.is_dir():
        raise InputError(f"{what} must be a directory. Received '{path}', a file. Name another.")
    if path.is_dir() and any(path.iterdir()):
        raise InputError(
            f"{what} must be new or empty, so that nothing is overwritten. Received '{path}', "
            f"which holds {sum(1 for _ in path.iterdir())} entries. Name another or remove it."
        )
    check_writable(path, what)
    return path


def check_writable(path: str | os.PathLike, what: str = "The output directory") -> Path:
    """Returns `path` if it, or the folder it would be made in, can be written.

    Raises:
      InputError: it cannot.
    """
    path = Path(path).expanduser()
    parent = existing_parent(path)
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"{what} must be writable. Received '{path}', but '{parent}' is not a folder that "
            "this user may write to. Name another or change its permissions."
        )
    return path


def existing_parent(path: str | os.PathLike) -> Path:
    """Returns `path`, or the nearest folder above it, that exists."""
    path = Path(path).absolute()
    return path if path.exists() else existing_parent(path.parent)


@contextlib.contextmanager
def new_directory(path: str | os.PathLike, what: str = "The output directory") -> Iterator[Path]:
    """Yields a temporary directory beside `path` and renames it to `path` if the block succeeds.

    Raises:
      InputError: as `check_new_directory`, before anything is written.
    """
    path = check_new_directory(path, what)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        if path.is_dir():
            path.rmdir()
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
