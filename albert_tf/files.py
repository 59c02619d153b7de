"""Finds and opens input files, parses JSON, and writes output files and folders atomically."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import gzip
import io
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from albert_tf.errors import InputError

_DECODER = json.JSONDecoder()
_JSON_SPACE = " \t\n\r"
# The escapes of halves of surrogate pairs, and of halves without the other one.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile(
    r"\\u(?:([dD][89abAB]..)(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)([dD][c-fC-F]..))"
)
_TEMPORARY = ".tmp"
# The environment variable with the largest number of characters of a line or a JSON file. By
# default, it is six times SQuAD's training data, a single line of 42 MB, which a process can hold.
LONGEST_LINE = "ALBERT_TF_LONGEST_LINE"
_DEFAULT_LONGEST_LINE = 2**28
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Errors of creating and renaming that depend on the place: not allowed, read-only, a mount point.
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EINVAL, errno.ENAMETOOLONG)


def expand(patterns: str | Sequence[str]) -> list[Path]:
    """Returns the files that match glob patterns, sorted; `**` matches any number of folders.

    A file, or a folder at the start of a pattern, of that very name comes before what the pattern
    matches, so that names may have the characters `*?[]` and commas.

    Args:
      patterns: one pattern, several patterns separated by commas, or a list of patterns.

    Raises:
      InputError: a pattern matches no file.
    """
    if isinstance(patterns, str):
        patterns = split(patterns)
    if not patterns:
        raise InputError("An input pattern must not be empty. Received ''. Pass a glob of files.")
    paths: set[Path] = set()
    for pattern in patterns:
        files = _matches(os.path.expanduser(pattern))
        if not files:
            raise InputError(
                f"An input pattern must match at least one file. Received {pattern!r}, which "
                f"matches no file (working directory: {os.getcwd()}). Check the path, and quote "
                "globs in the shell."
            )
        paths |= files
    return sorted(paths)


def split(patterns: str) -> list[str]:
    """Returns the patterns that commas separate; the commas in the name of a file separate none."""
    if _is_file(patterns):
        return [patterns]
    parts, found = patterns.split(","), []
    while parts:
        count = 1
        if not _is_file(parts[0].strip()):
            ends = range(len(parts), 1, -1)
            count = next((n for n in ends if _is_file(",".join(parts[:n]).strip())), 1)
        found.append(",".join(parts[:count]).strip())
        parts = parts[count:]
    return [pattern for pattern in found if pattern]


def folder_at(path: object) -> Path | None:
    """Returns the folder that a setting names, or None if it names something else."""
    folder = os.path.expanduser(path) if isinstance(path, (str, os.PathLike)) else ""
    return Path(folder) if os.path.isdir(folder) else None


def _is_file(name: str) -> bool:
    return os.path.isfile(os.path.expanduser(name))


def _matches(pattern: str) -> set[Path]:
    if os.path.isfile(pattern):
        return {Path(pattern)}
    folder, rest = os.path.split(pattern)
    while folder and not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder, name = os.path.split(folder)
        rest = os.path.join(name, rest)
    try:
        names = glob.glob(os.path.join(glob.escape(folder), rest), recursive=True)
    except (OSError, ValueError, RecursionError):  # a zero byte, or thousands of folders
        return set()
    return {Path(name) for name in names if os.path.isfile(name)}


def existing(path: str | os.PathLike, what: str) -> Path:
    """Returns `path` as a Path after checking that it is a file.

    Args:
      path: path of the file.
      what: what the file is, for the error message.

    Raises:
      InputError: there is no such file.
    """
    path = Path(os.path.expanduser(path))
    if not os.path.isfile(path):  # `Path.is_file` raises an error for a name that is too long.
        raise InputError(f"{what} must be an existing file. Received '{path}'. Check the path.")
    return path


def open_text(path: Path, newline: str | None = None) -> io.TextIOWrapper:
    """Opens a UTF-8 text file for reading; a file that ends in `.gz` is decompressed.

    Args:
      path: the file. A path that is not a `Path` is a `UPath` on a remote file system.
      newline: what ends a line, as for `open`.
    """
    if not isinstance(path, Path):
        return path.open("rt", encoding="utf-8", newline=newline, compression="infer")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline=newline)
    return open(path, encoding="utf-8", newline=newline)


def longest_line() -> int:
    """Returns the largest number of characters of a line of text, with its end, or of a JSON file.

    Raises:
      InputError: the environment variable that sets it is not a positive whole number.
    """
    value = os.environ.get(LONGEST_LINE) or str(_DEFAULT_LONGEST_LINE)
    if not (value.isascii() and value.isdecimal() and 0 < len(value.lstrip("0")) < 19):
        raise InputError(
            f"The environment variable {LONGEST_LINE} must be a positive number of characters. "
            f"Received {value!r}. Correct it, or unset it for {_DEFAULT_LONGEST_LINE}."
        )
    return int(value)


def parse_json(text: str) -> Any:
    """Returns the value of a JSON text.

    Raises:
      ValueError: the text is not JSON, is nested deeper than Python can follow, or has strings with
        half of a surrogate pair, which no UTF-8 text can hold.
    """
    try:
        try:
            value, end = _DECODER.scan_once(text, 0)
            is_whole = not text[end:].strip(_JSON_SPACE)
        except StopIteration:
            is_whole = False
        if not is_whole:  # White space before the value, or an error.
            value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    has_surrogates = "\\" in text and _SURROGATE.search(text)
    # An escaped backslash begins no other escape.
    if has_surrogates and (half := _HALF.search(text.replace(r"\\", "  "))):
        half = chr(int(half[1] or half[2], 16))
        raise ValueError(f"{half!r} is half of a surrogate pair and no character")
    return value


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Returns the object in a JSON file.

    Args:
      path: an existing file.
      what: what the file is, for the error message.

    Raises:
      InputError: the file cannot be read, or is not a JSON object.
    """
    longest = longest_line()
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(longest + 1)
        if len(text) > longest:
            raise ValueError(f"it has more than {longest} characters, the value of {LONGEST_LINE}")
        values = parse_json(text)
    except (ValueError, OSError) as error:
        raise InputError(
            f"{what} must be JSON. Received '{path}': {error}. Correct the file, or replace it."
        ) from error
    if not isinstance(values, dict):
        raise InputError(
            f"{what} must be a JSON object. Received '{path}', whose value is of type "
            f"{type(values).__name__}. Correct the file, or replace it."
        )
    return values


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path next to `path`, and renames it to `path` if the block succeeds.

    Readers see either the old file or the complete new one. If the block raises an exception, the
    old file is kept. A link stays one, a file keeps its permissions, and a device or a pipe is
    written to.

    Raises:
      InputError: the disk is full, or the folder cannot be written.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with disk_errors(path):
            yield path
        return
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask()
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(path) as folder:
            temporary = folder / path.name
            temporary.touch()
            yield temporary
            os.chmod(temporary, mode)
            os.replace(temporary, path)


def check_new_directory(
    path: str | os.PathLike, what: str = "The output directory", size: int = 0
) -> Path:
    """Returns `path` after checking that a directory can be created there; changes nothing.

    Args:
      path: the directory.
      what: what the directory is, for error messages.
      size: the number of bytes that will be written at least.

    Raises:
      InputError: `path` exists and is not an empty directory, it is not writable, or the disk has
        not enough room.
    """
    path = Path(path).expanduser()
    path = path.resolve() if path.is_symlink() else path
    if os.path.ismount(path) or path.resolve() == Path.cwd():
        raise InputError(
            f"{what} is created as a whole, so it must be neither a mount point nor the working "
            f"directory. Received '{path}'. Use a folder in it."
        )
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
    check_space(path, size)
    return path


def check_space(path: str | os.PathLike, size: int) -> None:
    """Checks that a disk has room for `size` bytes at a path, which need not exist.

    Raises:
      InputError: it has not.
    """
    free = free_space(path)
    if size > free:
        raise InputError(
            f"The disk must have room for what is written. Received '{path}', which needs "
            f"{size / 2**20:,.1f} MiB and has {free / 2**20:,.1f} MiB free. Free some space, or "
            "choose another place."
        )


def free_space(path: str | os.PathLike) -> int:
    """Returns the number of bytes that this user may write to the disk of a path."""
    return shutil.disk_usage(existing_parent(path)).free


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
def new_directory(
    path: str | os.PathLike, what: str = "The output directory", size: int = 0
) -> Iterator[Path]:
    """Yields a temporary directory next to `path`, renamed to `path` if the block succeeds.

    The arguments are those of `check_new_directory`.

    Raises:
      InputError: see `check_new_directory`, raised before anything is written; or the disk is full,
        or something else was written to `path` in the meantime.
    """
    path = check_new_directory(path, what, size)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(path) as folder:
            temporary = folder / path.name
            temporary.mkdir()
            yield temporary
            if path.is_dir() and any(path.iterdir()):
                raise InputError(
                    f"{what} must stay empty until it is written. Received '{path}', where another "
                    "process has written in the meantime. Use another one."
                )
            if path.is_dir():
                path.rmdir()
            os.replace(temporary, path)


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yields a hidden folder next to `path`, and removes it afterwards.

    Folders that killed processes have left are removed too. The folder is locked as long as its
    process lives, so those of other processes that write to the same path stay.
    """
    prefix = f".{path.name[:200]}."  # The names of files have at most 255 bytes.
    for left in path.parent.glob(f"{glob.escape(prefix)}{'?' * 8}{_TEMPORARY}"):
        with contextlib.suppress(OSError), _locked(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = path.parent / f"{prefix}{secrets.token_hex(4)}{_TEMPORARY}"
    try:
        folder.mkdir(0o700)
        with _locked(folder):
            yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except BaseException:  # A signal arrived in the middle.
            shutil.rmtree(folder, ignore_errors=True)
            raise


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder; raises OSError if another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns errors of the file system into `InputError`; those of TensorFlow have no number."""
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        is_full = number in _FULL or any(text in str(error) for text in map(os.strerror, _FULL))
        place = str(getattr(error, "filename", None) or path.parent)
        if not is_full and not (number in _REFUSED and place.startswith(str(path.parent))):
            raise
        raise InputError(
            f"There must be room and permission to write '{path}'. Received: "
            f"{os.strerror(number or errno.ENOSPC)}. Nothing was replaced; free space, or choose "
            "another place."
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
