"""Verifies the finished shards of an earlier run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from absl import logging

from albert_tf.pretraining.records.build_job import Job, sha256


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
