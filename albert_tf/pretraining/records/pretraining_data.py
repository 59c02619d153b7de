"""Builds pretraining data from text files: shards of records and a manifest.

    documents -> blocks -> (workers) tokens, pairs, packing, masks, records -> shards

Text is streamed: memory holds only a few blocks, regardless of the size of the corpus. A shard is a
range of documents and has one file for each copy of the text. When the files of a shard are
complete, they get their final names and are listed in the manifest. After an interruption, running
the same command again builds the missing shards.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from albert_tf.data import storage
from albert_tf.data.beam_map import new_pipeline
from albert_tf.data.documents import FileCounts, scan
from albert_tf.data.row_report import RowReport
from albert_tf.data.workers import ordered_map
from albert_tf.errors import InputError
from albert_tf.pretraining.records import manifest as manifests
from albert_tf.pretraining.records.blocks import file_groups
from albert_tf.pretraining.records.build_job import (
    COUNTS_FILES,
    FILES,
    PROGRESS_FILES,
    Job,
    explained,
    keep_intact,
    open_records,
    remove_leftovers,
)
from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.pretraining.records.instances import BlockRecords, InstanceMaker
from albert_tf.tokenization.tokenizer import AlbertTokenizer


def build(
    input_files: str | Sequence[str],
    vocab: str | os.PathLike,
    output_dir: str | os.PathLike,
    settings: BuildSettings | None = None,
    *,
    workers: int = 1,
    runner: str | None = None,
    pipeline_options: Sequence[str] = (),
    on_scan: Callable[[int, int], None] | None = None,
    on_verify: Callable[[int, int], None] | None = None,
    progress: Callable[[Counter, int], None] | None = None,
) -> dict[str, Any]:
    """Writes pretraining data and returns its manifest.

    Args:
      input_files: glob patterns of text files; see documents.py for the format and storage.py for
        remote files.
      vocab: a SentencePiece model or vocab.txt; the preprocessing settings beside it apply.
      output_dir: a directory that is new, empty, or has a part of the same build.
      settings: the build settings; None for the defaults.
      workers: the number of processes; the output does not depend on it.
      runner: an Apache Beam runner to run the build on (beam_build.py); the output is the same.
      pipeline_options: flags for Beam.
      on_scan: called with the number of text files checked so far and their total number.
      on_verify: called with the number of files of earlier runs compared with their checksums so
        far, and their total number.
      progress: called with the counts so far ("documents", "text_bytes", "instances" and those of
        statistics.py) and the total bytes of text.

    Raises:
      InputError: before anything is written, if an input is missing or broken, no document gives a
        pair, or the output directory has other data. Later, if the disk is full or a worker is
        killed; the same call then resumes with the missing shards.
    """
    settings = settings or BuildSettings()
    if workers < 1:
        raise InputError(f"workers must be at least 1. Received {workers}.")
    pipeline = new_pipeline(runner, pipeline_options)
    paths = storage.expand(input_files)
    output_dir = storage.location(output_dir)
    storage.check_output(output_dir)
    tokenizer = AlbertTokenizer.from_pretrained(vocab)
    report = RowReport()
    files = scan(paths, settings.text_field, workers, on_scan, report)
    report.show()
    documents = sum(file.documents for file in files)
    settings = settings.for_text(sum(file.text_bytes for file in files), documents)
    _check_corpus(paths, files, settings)
    manifest = manifests.start(output_dir, manifests.identity(paths, files, tokenizer, settings))
    job = Job(
        tokenizer=tokenizer,
        settings=settings,
        groups=file_groups(paths, files),
        documents=documents,
        output_dir=output_dir,
        finished=frozenset(),
    )
    with explained(output_dir):
        job = job._replace(finished=keep_intact(job, manifest, workers, on_verify))
    if manifest["complete"]:
        return manifest
    run: Callable[..., Iterable[tuple[int, dict[str, Any]]]]
    run = functools.partial(_run_local, workers=workers)
    if pipeline:
        from albert_tf.pretraining.records import beam_build  # It needs Apache Beam.

        run = functools.partial(beam_build.run, pipeline=pipeline)
    entries = run(job, report=_reporter(manifest["shards"], files, progress))
    with explained(output_dir):
        _collect(manifest, output_dir, entries)
    return manifest


def _collect(
    manifest: dict[str, Any], output_dir: Path, entries: Iterable[tuple[int, dict[str, Any]]]
) -> None:
    """Saves the manifest before the first shard, after each shard, and at the end."""
    remove_leftovers(output_dir, f".{FILES}.*", f".{manifests.NAME}.*")
    manifests.save(output_dir, manifest)
    for shard, entry in entries:
        manifest["shards"][str(shard)] = entry
        manifests.save(output_dir, manifest)
    manifest["shards"] = dict(sorted(manifest["shards"].items(), key=lambda item: int(item[0])))
    counts = manifests.total(manifest["shards"].values())
    if not counts["instances"]:
        dropped = {name: n for name, n in counts.items() if name.startswith("dropped/")}
        raise InputError(
            f"At least one document must give an instance. Received {counts['documents']} "
            f"documents, {dropped}. Check the text, or set single_sentence='split'."
        )
    manifest["counts"] = dict(counts)
    manifest["complete"] = True
    manifests.save(output_dir, manifest)
    remove_leftovers(output_dir, COUNTS_FILES, PROGRESS_FILES)


def _reporter(
    shards: Mapping[str, Any],
    files: Sequence[FileCounts],
    progress: Callable[[Counter, int], None] | None,
) -> Callable[[Counter], None]:
    """Returns a function that adds counts to those of finished shards and reports the sum."""
    done = manifests.total(shards.values())
    text_bytes = sum(file.text_bytes for file in files)

    def report(counts: Counter) -> None:
        done.update(counts)
        if progress:
            progress(done, text_bytes)

    return report


def _check_corpus(
    paths: Sequence[Path], files: Sequence[FileCounts], settings: BuildSettings
) -> None:
    documents = sum(file.documents for file in files)
    drops = settings.needs_two_sentences and settings.single_sentence == "drop"
    if drops and not settings.split_sentences and not any(file.with_pairs for file in files):
        raise InputError(
            "At least one document must have two sentences, with one sentence per line and an "
            f"empty line between documents. Received {documents} documents of one line each in "
            f"{len(paths)} files, the first of which is '{paths[0]}'. Remove empty lines within "
            "documents; or, if lines are paragraphs, set split_sentences to their language; or set "
            "single_sentence='split' to split sentences in two."
        )
    if settings.shards > documents:
        raise InputError(
            "There must be at least one document per shard. Received "
            f"shards={settings.shards} for {documents} documents. Lower the number of shards."
        )


def _run_local(
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
