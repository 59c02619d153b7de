"""Builds pretraining data on a cluster: runs the functions of a local build in Apache Beam.

    files -> blocks -> instances -> (shard, copy) -> files

Each file is written by one worker, which keeps the records in memory while it sorts the blocks, so
use enough shards for a file to fit in the memory of a worker. The counts of a file are stored next
to it under a hidden name until the process that started the pipeline adds them to the manifest.
That process and all workers must see the same paths: a store such as gs:// (storage.py), or a
shared disk.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam

from albert_tf.data.storage import replacing
from albert_tf.pretraining.records import manifest as manifests
from albert_tf.pretraining.records.beam_progress import Tally, Watch
from albert_tf.pretraining.records.blocks import Block
from albert_tf.pretraining.records.build_job import COUNTS_FILES, Job, open_records
from albert_tf.pretraining.records.instances import InstanceMaker


def run(
    job: Job, pipeline: beam.Pipeline, report: Callable[[Counter], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields each shard with its manifest entry, starting with those of an interrupted run.

    Args:
      job: the build.
      pipeline: a pipeline from `beam_map.new_pipeline`.
      report: called every few seconds with the counts added since the last call.
    """
    before = dict(_finished(job))
    report(manifests.total(before.values()))
    yield from before.items()
    job = job._replace(finished=job.finished.union(before))
    watch = Watch(job.output_dir, report)
    with watch.running(), pipeline:
        _ = (
            pipeline
            | "Files" >> beam.Create(job.groups)
            | "SpreadFiles" >> beam.Reshuffle()
            | "ReadBlocks" >> beam.FlatMap(job.blocks)
            | "SpreadBlocks" >> beam.Reshuffle()
            | "MakeInstances" >> beam.ParDo(_MakeInstances(job))
            | "CollectFiles" >> beam.GroupByKey()
            | "WriteFiles" >> beam.MapTuple(_Write(job))
        )
    entries = dict(_finished(job))
    watch.settle(manifests.total(entries.values()))
    yield from entries.items()


def _finished(job: Job) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the shards that the job lists as unfinished but whose files are all written."""
    for shard in sorted(set(range(job.settings.shards)) - job.finished):
        paths = job.paths(shard)
        if all(path.is_file() and _counts_file(path).is_file() for path in paths):
            counts: Counter = Counter()
            for path in paths:
                counts.update(json.loads(_counts_file(path).read_text(encoding="utf-8")))
            yield shard, job.entry(shard, counts)


class _MakeInstances(beam.DoFn):
    """Maps blocks to ((shard, copy), (first document, records, counts)); only copy 0 has counts."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def setup(self) -> None:
        self._make = InstanceMaker(self._job.tokenizer, self._job.settings)
        self._tally = Tally(self._job.output_dir)

    def process(self, block: Block) -> Iterator[tuple]:
        result = self._make(block)
        self._tally.add(result.counts)
        for copy, records in enumerate(result.copies):
            counts = {} if copy else dict(result.counts)
            yield (block.shard, copy), (block.first, records, counts)


class _Write:
    """Writes the file of one copy of a shard from its blocks, in document order."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, key: tuple[int, int], blocks: Iterable[tuple]) -> None:
        shard, copy = key
        path = self._job.paths(shard)[copy]
        counts: Counter = Counter()
        with open_records(path) as writer:
            for _, records, more in sorted(blocks, key=lambda block: block[0]):
                counts.update(more)
                for record in records:
                    writer.write(record)
        with replacing(_counts_file(path)) as temporary:
            temporary.write_text(json.dumps(counts), encoding="utf-8")


def _counts_file(path: Path) -> Path:
    return path.with_name(COUNTS_FILES.replace("*", f"{path.name}.json"))
