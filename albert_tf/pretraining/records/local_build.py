"""Builds pretraining data on one machine: workers process blocks, this process writes shards."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from albert_tf.data.workers import ordered_map
from albert_tf.pretraining.records.build_job import Job, open_records
from albert_tf.pretraining.records.instances import BlockRecords, InstanceMaker


def run(
    job: Job, workers: int, report: Callable[[Counter], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields each shard and its manifest entry once its files are written.

    Args:
      job: the build.
      workers: the number of processes.
      report: called with the counts of each block once it is written.
    """
    # Importing takes seconds, so do it before the progress display starts its clock.
    import tensorflow as tf  # noqa: F401

    report(Counter())
    blocks = itertools.chain.from_iterable(map(job.blocks, job.groups))
    results = ordered_map(InstanceMaker, (job.tokenizer, job.settings), blocks, workers)
    for shard, group in itertools.groupby(results, key=lambda result: result.block.shard):
        yield shard, job.entry(shard, _write(job, shard, group, report))


def _write(
    job: Job, shard: int, results: Iterable[BlockRecords], report: Callable[[Counter], None]
) -> Counter:
    """Writes the files of a shard, one per copy of the text, and returns the sum of its counts."""
    counts: Counter = Counter()
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(open_records(path)) for path in job.paths(shard)]
        for result in results:
            for writer, records in zip(writers, result.copies):
                for record in records:
                    writer.write(record)
            counts.update(result.counts)
            report(result.counts)
    return counts
