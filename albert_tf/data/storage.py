"""Local and remote paths for builds; remote ones (gs://, s3://, hdfs:// etc.) use fsspec.

A remote path is a `upath.UPath`, which has the methods of `pathlib.Path`. Files for a remote store
are written locally first and uploaded when they are complete.
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
    """Returns whether a path names a remote file system."""
    return "://" in str(path)


def location(path: str | os.PathLike) -> Path:
    """Returns a local or remote path object.

    Raises:
      InputError: a package that the remote file system needs is not installed.
    """
    if not is_remote(path):
        return Path(os.path.expanduser(path))
    try:
        from upath import UPath

        remote = UPath(path)
        _ = remote.fs  # Imports the packages that the file system needs.
    except (ImportError, ValueError) as error:
        raise InputError(
            f"A remote path needs the packages of its file system. Received '{path}': {error}. Run "
            "pip install 'albert-tf[beam]', and install the package named above, such as gcsfs for "
            "gs://."
        ) from error
    return remote


def expand(patterns: str | Sequence[str]) -> list[Path]:
    """Returns the sorted local and remote files that match the glob patterns; see `files.expand`.

    Raises:
      InputError: a pattern matches no file.
    """
    if isinstance(patterns, str):
        patterns = files.split(patterns)
    remote = [pattern for pattern in patterns if is_remote(pattern)]
    local = [pattern for pattern in patterns if not is_remote(pattern)]
    paths = set(files.expand(local)) if local or not remote else set()
    for pattern in remote:
        place = location(pattern)
        names = [place.path] if place.is_file() else place.fs.glob(place.path)
        matches = [place.fs.unstrip_protocol(name) for name in names]
        if not matches:
            raise InputError(
                f"An input pattern must match at least one file. Received {pattern!r}, which "
                "matches none. Check the path; quote globs in the shell."
            )
        paths |= {path for path in map(location, matches) if path.is_file()}
    return sorted(paths, key=str)


def check_output(directory: Path) -> None:
    """Checks that a local directory is writable; remote ones fail when they are written to.

    Raises:
      InputError: the directory is not writable.
    """
    if not is_remote(directory):
        files.check_writable(directory)


def check_new(directory: Path) -> None:
    """Checks that a directory is new or empty.

    Raises:
      InputError: the directory is not empty.
    """
    if not is_remote(directory):
        files.check_new_directory(directory)
    elif directory.exists() and any(directory.iterdir()):
        raise InputError(
            "The output directory must be new or empty, so that nothing is overwritten. Received "
            f"'{directory}', which has files. Choose another directory."
        )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary local path; its file replaces `path` if the block succeeds."""
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
