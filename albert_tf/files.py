"""Finds input files, and writes output files and folders atomically."""

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
    """Returns the files that match glob patterns, sorted; `**` matches any number of folders.

    Args:
      patterns: one pattern, several patterns separated by commas, or a list of patterns.

    Raises:
      InputError: a pattern matches no file.
    """
    if isinstance(patterns, str):
        patterns = [p.strip() for p in patterns.split(",") if p.strip()]
    if not patterns:
        raise InputError("An input pattern must not be empty. Received ''. Pass a glob of files.")
    paths: set[Path] = set()
    for pattern in patterns:
        files = {
            Path(f)
            for f in glob.glob(os.path.expanduser(pattern), recursive=True)
            if os.path.isfile(f)
        }
        if not files:
            raise InputError(
                f"An input pattern must match at least one file. Received {pattern!r}, which "
                f"matches no file (working directory: {os.getcwd()}). Check the path, and quote "
                "globs in the shell."
            )
        paths |= files
    return sorted(paths)


def existing(path: str | os.PathLike, what: str) -> Path:
    """Returns `path` as a Path after checking that it is a file.

    Args:
      path: path of the file.
      what: what the file is, for the error message.

    Raises:
      InputError: there is no such file.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"{what} must be an existing file. Received '{path}'. Check the path.")
    return path


def open_text(path: Path) -> io.TextIOBase:
    """Opens a UTF-8 text file for reading; a file that ends in `.gz` is decompressed.

    A path that is not a `Path` is a `UPath` on a remote file system.
    """
    if not isinstance(path, Path):
        return path.open("rt", encoding="utf-8", compression="infer")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return open(path, encoding="utf-8")


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path next to `path`, and renames it to `path` if the block succeeds.

    Readers see either the old file or the complete new one. If the block raises an exception, the
    old file is kept.
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
    """Returns `path` after checking that a directory can be created there; changes nothing.

    Raises:
      InputError: `path` exists and is not an empty directory, or it is not writable.
    """
    path = Path(path).expanduser()
    if path.exists() and not path.is_dir():
        raise InputError(
            f"{what} must be a directory. Received '{path}', a file. Use another path."
        )
    if path.is_dir() and any(path.iterdir()):
        raise InputError(
            f"{what} must be new or empty, so that nothing is overwritten. Received '{path}', "
            f"which has {sum(1 for _ in path.iterdir())} entries. Use another one or remove it."
        )
    check_writable(path, what)
    return path


def check_writable(path: str | os.PathLike, what: str = "The output directory") -> Path:
    """Returns `path` after checking that it, or the folder it would be created in, is writable.

    Raises:
      InputError: it is not writable.
    """
    path = Path(path).expanduser()
    parent = existing_parent(path)
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"{what} must be writable. Received '{path}', but '{parent}' is not a folder with "
            "write permission for this user. Use another one or change the permissions."
        )
    return path


def existing_parent(path: str | os.PathLike) -> Path:
    """Returns `path` if it exists, or else its nearest parent folder that exists."""
    path = Path(path).absolute()
    return path if path.exists() else existing_parent(path.parent)


@contextlib.contextmanager
def new_directory(path: str | os.PathLike, what: str = "The output directory") -> Iterator[Path]:
    """Yields a temporary directory next to `path`, renamed to `path` if the block succeeds.

    Raises:
      InputError: see `check_new_directory`; raised before anything is written.
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
