"""Splits files into blocks, the unit of work: consecutive documents of one shard.

Blocks depend only on the text and the number of shards. The random choices of a block are seeded
with the number of its first document in the whole input, so that instances depend neither on the
number of workers nor on the order of work. Small files are read together and large files alone
(`file_groups`), so that groups can be read in parallel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from albert_tf.data.documents import TEXT_FIELD, FileCounts, read_documents

# Large enough for NumPy to process hundreds of instances at once; the records of ten static copies
# take 9 MB at S = 512. With more copies blocks are smaller, so that memory use does not grow.
BLOCK_BYTES = 128 * 1024
BLOCK_COPIES = 10
GROUP_BYTES = 16 * 2**20


class FileGroup(NamedTuple):
    """Consecutive files that are read by one process; no block spans two groups.

    Attributes:
      paths: the files.
      first: the number of their first document, counted over all files.
      documents: the number of documents in the files.
    """

    paths: list[Path]
    first: int
    documents: int


class Block(NamedTuple):
    """Consecutive documents.

    Attributes:
      shard: the shard (a range of documents) that the block belongs to.
      first: the number of the first document, counted over all files.
      documents: the lines of each document.
      text_bytes: the size of the lines in UTF-8.
    """

    shard: int
    first: int
    documents: list[list[str]]
    text_bytes: int


def shard_of(document: int, total: int, shards: int) -> int:
    """Returns the shard of a document; shards are ranges whose sizes differ by at most one."""
    return document * shards // total


def file_groups(
    paths: Sequence[Path], counts: Sequence[FileCounts], group_bytes: int = GROUP_BYTES
) -> list[FileGroup]:
    """Groups the files; a group ends with the file that reaches `group_bytes`."""
    groups: list[FileGroup] = []
    group, size, first, documents = [], 0, 0, 0
    for path, count in zip(paths, counts):
        group.append(path)
        size += count.text_bytes
        documents += count.documents
        if size >= group_bytes or path is paths[-1]:
            groups.append(FileGroup(group, first, documents))
            first += documents
            group, size, documents = [], 0, 0
    return groups


def block_bytes(copies: int) -> int:
    """Returns the size of blocks, in bytes of text, for a build with `copies` copies."""
    return BLOCK_BYTES * BLOCK_COPIES // max(copies, BLOCK_COPIES)


def read_blocks(
    group: FileGroup,
    total: int,
    shards: int,
    text_field: str = TEXT_FIELD,
    skip: frozenset[int] = frozenset(),
    max_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """Yields the blocks of a group in order.

    Args:
      group: the files to read.
      total: the number of documents in all groups.
      shards: the number of shards.
      text_field: the field of JSON Lines objects that holds the text.
      skip: the shards to leave out.
      max_bytes: a block ends with the document that reaches this size, or with its shard.
    """
    end = group.first + group.documents
    if skip.issuperset(
        range(shard_of(group.first, total, shards), shard_of(end - 1, total, shards) + 1)
    ):
        return
    shard, first, documents, size = 0, 0, [], 0
    stream = (document for path in group.paths for document in read_documents(path, text_field))
    for number, document in enumerate(stream, start=group.first):
        own = shard_of(number, total, shards)
        if documents and (own != shard or size >= max_bytes):
            yield Block(shard, first, documents, size)
            documents, size = [], 0
        if own in skip:
            continue
        if not documents:
            shard, first = own, number
        documents.append(document)
        size += sum(len(line.encode()) for line in document)
    if documents:
        yield Block(shard, first, documents, size)
