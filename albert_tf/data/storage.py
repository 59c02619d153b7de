"""Where a build reads and writes: local paths, or gs://, s3://, hdfs:// and the like by fsspec.

A remote path is a `upath.UPath`, which has the methods of `pathlib.Path`. Files of a remote store
are written here first and sent when they are whole.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from albert_tf import files
from albert_tf.errors import InputError


def is_remote(path: str | os.PathLike) -> bool:
    """Tells whether a path names a file system of its own."""
    return "://" in str(path)


def location(path: str | os.PathLike) -> Path:
    """Returns a local or a remote path.

    Raises:
      InputError: what the remote file system needs is not installed.
    """
    if not is_remote(path):
        return Path(path).expanduser()
    try:
        from upath import UPath

        found = UPath(path)
        _ = found.fs  # imports what the file system needs
    except (ImportError, ValueError) as error:
        raise InputError(
            f"A remote path needs its file system. Received '{path}': {error}. Run "
            "pip install 'albert-tf[beam]', and what the message names, such as gcsfs for gs://."
        ) from error
    return found


def expand(patterns: str | Sequence[str]) -> list[Path]:
    """Returns the sorted files that match the glob patterns, as `files.expand`, or remote ones.

    Raises:
      InputError: a pattern matches no file.
    """
    if isinstance(patterns, str):
        patterns = [p.strip() for p in patterns.split(",")]
    remote = [pattern for pattern in patterns if is_remote(pattern)]
    local = [pattern for pattern in patterns if not is_remote(pattern)]
    found = set(files.expand(",".join(local))) if local or not remote else set()
    for pattern in remote:
        place = location(pattern)
        matches = [place.fs.unstrip_protocol(match) for match in place.fs.glob(place.path)]
        if not matches:
            raise InputError(
                f"An input pattern must match at least one file. Received {pattern!r}, which "
                "matches none. Check the path; quote globs in the shell."
            )
        found |= {path for path in map(location, matches) if path.is_file()}
    return sorted(found, key=str)


def check_output(directory: Path) -> None:
    """Checks that a local directory can be written; a remote one tells when it is written.

    Raises:
      InputError: it cannot.
    """
    if not is_remote(directory):
        files.check_writable(directory)


def check_new(directory: Path) -> None:
    """Checks that a directory is new or empty.

    Raises:
      InputError: it holds something.
    """
    if not is_remote(directory):
        files.check_new_directory(directory)
    elif directory.exists() and any(directory.iterdir()):
        raise InputError(
            "The output directory must be new or empty, so that nothing is overwritten. Received "
            f"'{directory}'. Name another."
        )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a local path whose file takes the place of `path` if the block succeeds."""
    if not is_remote(path):
        with files.replacing(path) as temporary:
            yield temporary
        return
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / path.name
        yield temporary
        path.parent.mkdir(parents=True, exist_ok=True)
        sent = path.with_name(f".{path.name}.sent")
        sent.fs.put_file(os.fspath(temporary), sent.path)
        path.fs.mv(sent.path, path.path)
