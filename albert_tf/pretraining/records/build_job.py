"""The remaining work of a build and the files that it writes, for local and Beam builds.

Axes: a shard is a range of documents and has one file for each copy of the text.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import logging

from albert_tf.data.storage import replacing
from albert_tf.errors import InputError
from albert_tf.pretraining.records.blocks import Block, FileGroup, block_bytes, read_blocks
from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.tokenization.tokenizer import AlbertTokenizer

if TYPE_CHECKING:
    import tensorflow as tf

FILES = "instances-*.tfrecord"  # A glob for the records in a directory.
COUNTS_FILES = ".counts-of-*"  # Counts of files whose shard is not yet in the manifest.
PROGRESS_FILES = ".progress-of-*"  # Progress of running workers.


class Job(NamedTuple):
    """The shards to build.

    Attributes:
      tokenizer: the tokenizer; sent to the workers, which do not need access to its files.
      settings: the build settings.
      groups: all input files.
      documents: the number of documents in all files.
      output_dir: the directory for the files of the shards.
      finished: the shards that are already finished.
    """

    tokenizer: AlbertTokenizer
    settings: BuildSettings
    groups: list[FileGroup]
    documents: int
    output_dir: Path
    finished: frozenset[int]

    def blocks(self, group: FileGroup) -> Iterator[Block]:
        """Yields the blocks of a group that belong to unfinished shards."""
        settings = self.settings
        return read_blocks(
            group,
            self.documents,
            settings.shards,
            settings.text_field,
            self.finished,
            block_bytes(settings.dupe_factor),
        )

    def paths(self, shard: int) -> list[Path]:
        """Returns the files of a shard, one for each copy."""
        copies, total = self.settings.dupe_factor, self.settings.shards * self.settings.dupe_factor
        return [
            self.output_dir / f"instances-{shard * copies + copy:05d}-of-{total:05d}.tfrecord"
            for copy in range(copies)
        ]

    def entry(self, shard: int, counts: Mapping[str, int]) -> dict[str, Any]:
        """Returns the manifest entry of a shard whose files are written."""
        digests = {path.name: sha256(path) for path in self.paths(shard)}
        return {"counts": dict(sorted(counts.items())), "sha256": digests}


@contextlib.contextmanager
def open_records(path: Path) -> Iterator[tf.io.TFRecordWriter]:
    """Yields a record writer; the file gets its final name if the block succeeds."""
    import tensorflow as tf  # Imported here, because workers import this module and must start fast

    with replacing(path) as temporary, tf.io.TFRecordWriter(os.fspath(temporary)) as writer:
        yield writer


@contextlib.contextmanager
def explained(output_dir: Path) -> Iterator[None]:
    """Turns errors while writing, such as a full disk, into an `InputError`."""
    import tensorflow as tf

    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "message", None) or str(error)
        raise InputError(
            f"Shards must be written completely. Received an error in '{output_dir}': {reason}. "
            "Finished shards are kept: fix the cause, for example by freeing disk space, and run "
            "the same command again."
        ) from error


def sha256(path: Path) -> str:
    """Returns the checksum of a file, which may be larger than memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def remove_leftovers(output_dir: Path, *patterns: str) -> None:
    """Removes files of earlier runs that are no longer needed."""
    for pattern in patterns:
        for leftover in output_dir.glob(pattern):
            if leftover.is_dir():  # The temporary folder of a file, from a killed process.
                shutil.rmtree(leftover)
            else:
                leftover.unlink()


def keep_intact(
    job: Job,
    manifest: dict[str, Any],
    workers: int,
    on_verify: Callable[[int, int], None] | None = None,
) -> frozenset[int]:
    """Returns the intact shards, and removes damaged ones from the manifest.

    A shard is damaged if one of its files is missing or has changed. Its remaining files are
    deleted, so that they do not count as finished, and a warning is logged.

    Args:
      job: the build.
      manifest: the manifest of the output directory.
      workers: the number of threads that read files.
      on_verify: called with the number of files compared so far and their total number.
    """
    digests = {
        path: (shard, entry["sha256"].get(path.name))
        for shard, entry in manifest["shards"].items()
        for path in job.paths(int(shard))
    }
    damaged = set()
    with ThreadPoolExecutor(workers) as pool:  # Checksums are computed without holding the GIL.
        problems = pool.map(_problem, digests, (digest for _, digest in digests.values()))
        for done, (path, problem) in enumerate(zip(digests, problems), 1):
            if problem:
                logging.warning("'%s' %s; its shard will be rebuilt.", path, problem)
                damaged.add(digests[path][0])
            if on_verify:
                on_verify(done, len(digests))
    for shard in damaged:
        for path in job.paths(int(shard)):
            path.unlink(missing_ok=True)
        del manifest["shards"][shard]
        manifest["complete"] = False
    return frozenset(map(int, manifest["shards"]))


def _problem(path: Path, digest: str | None) -> str | None:
    if not path.is_file():
        return "is missing"
    return None if sha256(path) == digest else "differs from its checksum in the manifest"
