"""Documents to blocks, the unit of work: consecutive documents of one shard.

Blocks depend on the text and the number of shards only. A block carries the number of its first
document in the whole input, from which its random choices are seeded, so that neither the number of
workers nor the order of work changes an instance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from albert_tf.data.documents import read_documents

# Large enough for NumPy to work on hundreds of instances at once, small enough that the records of
# many copies of a few blocks stay far under a GiB.
BLOCK_BYTES = 128 * 1024


class Block(NamedTuple):
    """Consecutive documents.

    Attributes:
      shard: the range of documents that the block belongs to.
      first: number of the first document, counted over all files.
      documents: the sentences of each.
      text_bytes: of the sentences in UTF-8.
    """

    shard: int
    first: int
    documents: list[list[str]]
    text_bytes: int


def shard_of(document: int, total: int, shards: int) -> int:
    """Returns the shard of a document; shards are ranges whose sizes differ by one at most."""
    return document * shards // total


def read_blocks(
    paths: Sequence[Path],
    total: int,
    shards: int,
    skip: frozenset[int] = frozenset(),
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """Yields the blocks in order.

    Args:
      paths: text files.
      total: documents in all of them.
      shards: how many ranges.
      skip: shards that are left out.
      block_bytes: a block ends with the document that reaches this size, or with its shard.
    """
    shard, first, documents, size = 0, 0, [], 0
    for number, document in enumerate(d for path in paths for d in read_documents(path)):
        own = shard_of(number, total, shards)
        if documents and (own != shard or size >= block_bytes):
            yield Block(shard, first, documents, size)
            documents, size = [], 0
        if own in skip:
            continue
        if not documents:
            shard, first = own, number
        documents.append(document)
        size += sum(len(sentence.encode()) for sentence in document)
    if documents:
        yield Block(shard, first, documents, size)
