"""Text files to pretraining data: shards of records and a manifest.

    documents -> blocks -> (workers) tokens, pairs, packing, masks, records -> shards

Text streams through: memory holds a few blocks, whatever the size of the corpus. A shard is a range
of documents and gives one file for each copy of the text. The files of a shard get their names when
they are whole, and the manifest lists them then; the same command run again after a stop makes the
shards that are missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from albert_tf.data import manifest as manifests
from albert_tf.data.blocks import file_groups, read_blocks
from albert_tf.data.build_settings import BuildSettings
from albert_tf.data.documents import FileCounts, scan
from albert_tf.data.instances import BlockRecords, InstanceMaker
from albert_tf.data.workers import ordered_map
from albert_tf.errors import InputError
from albert_tf.files import check_writable, existing, expand, replacing
from albert_tf.tokenization.tokenizer import AlbertTokenizer

FILES = "instances-*.tfrecord"  # the glob of a directory's records


def build(
    input_files: str | Sequence[str],
    vocab: str | os.PathLike,
    output_dir: str | os.PathLike,
    settings: BuildSettings | None = None,
    *,
    workers: int = 1,
    progress: Callable[[Counter, int], None] | None = None,
) -> dict[str, Any]:
    """Writes pretraining data and returns its manifest.

    Args:
      input_files: glob patterns of text files; see documents.py for their form.
      vocab: a SentencePiece model; the settings beside it hold too.
      output_dir: new, empty, or holding a part of this very build.
      settings: of the build; None for the defaults.
      workers: processes; the output does not depend on it.
      progress: called with the counts of what is done ("documents", "text_bytes", "instances" and
        those of statistics.py) and the bytes of text there are.

    Raises:
      InputError: an input is missing or broken, no document gives a pair, or the output directory
        holds something else. Nothing is written then.
    """
    settings = settings or BuildSettings()
    paths = expand(input_files)
    vocab = existing(vocab, "The vocabulary")
    output_dir = check_writable(output_dir)
    tokenizer = AlbertTokenizer(vocab)
    files = scan(paths, settings.text_field, workers)
    _check_corpus(paths, files, settings)
    manifest = manifests.start(output_dir, manifests.identity(paths, files, tokenizer, settings))
    if not manifest["complete"]:
        _remove_leftovers(output_dir)
        _build_missing_shards(manifest, paths, vocab, output_dir, settings, workers, progress)
        manifest["counts"] = dict(manifests.total(manifest["shards"].values()))
        manifest["complete"] = True
        manifests.save(output_dir, manifest)
    return manifest


def _build_missing_shards(
    manifest: dict[str, Any],
    paths: Sequence[Path],
    vocab: Path,
    output_dir: Path,
    settings: BuildSettings,
    workers: int,
    progress: Callable[[Counter, int], None] | None,
) -> None:
    """Writes the shards that the manifest lacks, and the manifest after each."""
    import tensorflow as tf  # noqa: F401  (takes seconds; before the clock of the progress starts)

    shards = manifest["shards"]
    text_bytes = sum(file["text_bytes"] for file in manifest["input"])
    documents = sum(file["documents"] for file in manifest["input"])
    finished = frozenset(int(shard) for shard in shards)
    counts = [FileCounts(**{k: file[k] for k in FileCounts._fields}) for file in manifest["input"]]
    blocks = itertools.chain.from_iterable(
        read_blocks(group, documents, settings.shards, settings.text_field, finished)
        for group in file_groups(paths, counts)
    )
    results = ordered_map(InstanceMaker, (vocab, settings), blocks, workers)
    done = manifests.total(shards.values())
    if progress:
        progress(done, text_bytes)
    manifests.save(output_dir, manifest)
    for shard, group in itertools.groupby(results, key=lambda result: result.block.shard):
        watched = _watch(group, done, progress, text_bytes)
        shards[str(shard)] = _write_shard(output_dir, shard, settings, watched)
        manifests.save(output_dir, manifest)


def _watch(
    results: Iterable[BlockRecords],
    done: Counter,
    progress: Callable[[Counter, int], None] | None,
    text_bytes: int,
) -> Iterator[BlockRecords]:
    """Yields the results; adds each to `done` and reports it once it is written."""
    for result in results:
        yield result
        done.update(result.counts)
        if progress:
            progress(done, text_bytes)


def _write_shard(
    output_dir: Path, shard: int, settings: BuildSettings, results: Iterable[BlockRecords]
) -> dict[str, Any]:
    """Writes a file for each copy of the text of a shard; returns its entry in the manifest."""
    import tensorflow as tf  # here, so that importing this module stays fast

    total = settings.shards * settings.dupe_factor
    names = [
        f"instances-{shard * settings.dupe_factor + copy:05d}-of-{total:05d}.tfrecord"
        for copy in range(settings.dupe_factor)
    ]
    counts: Counter = Counter()
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(
                tf.io.TFRecordWriter(os.fspath(stack.enter_context(replacing(output_dir / name))))
            )
            for name in names
        ]
        for result in results:
            counts.update(result.counts)
            for writer, records in zip(writers, result.copies):
                for record in records:
                    writer.write(record)
    files = {name: _sha256(output_dir / name) for name in names}
    return {"counts": dict(sorted(counts.items())), "sha256": files}


def _sha256(path: Path) -> str:
    """Returns the checksum of a file, read in parts: a file may be larger than the memory."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def _check_corpus(
    paths: Sequence[Path], files: Sequence[FileCounts], settings: BuildSettings
) -> None:
    documents = sum(file.documents for file in files)
    lines_are_sentences = settings.single_sentence == "drop" and not settings.split_sentences
    if lines_are_sentences and not any(file.with_pairs for file in files):
        raise InputError(
            "Some document must have two sentences: a sentence a line, an empty line between "
            f"documents. Received {documents} documents of one line each in {len(paths)} files, "
            f"the first '{paths[0]}'. Remove empty lines within documents, set split_sentences to "
            "the language of lines that hold paragraphs, or set single_sentence='split' to cut "
            "sentences in two."
        )
    if settings.shards > documents:
        raise InputError(
            "There must be at least a document for each shard. Received "
            f"shards={settings.shards} for {documents} documents. Lower the number of shards."
        )


def _remove_leftovers(output_dir: Path) -> None:
    """Removes the unfinished files that a killed run left under temporary names."""
    for leftover in [*output_dir.glob(f".{FILES}.*"), *output_dir.glob(f".{manifests.NAME}.*")]:
        leftover.unlink()
