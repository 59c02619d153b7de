import pytest

from albert_tf.data.documents import count
from albert_tf.pretraining.records.blocks import (
    FileGroup,
    block_bytes,
    file_groups,
    read_blocks,
    shard_of,
)


@pytest.fixture
def paths(tmp_path):
    """Two files with 17 documents; document i is one line of i + 1 letters."""
    documents = ["x" * (i + 1) for i in range(17)]
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    files[0].write_text("\n\n".join(documents[:6]))
    files[1].write_text("\n\n".join(documents[6:]))
    return files


@pytest.fixture
def group(paths):
    return FileGroup(paths, 0, 17)


def test_shards_are_ranges_of_even_size():
    shards = [shard_of(i, 17, 5) for i in range(17)]
    assert shards == sorted(shards)
    assert sorted(shards.count(s) for s in range(5)) == [3, 3, 3, 4, 4]


def test_blocks_cover_all_documents_and_stay_within_shards(group):
    blocks = list(read_blocks(group, 17, 3, max_bytes=20))
    lengths = [len(d[0]) for block in blocks for d in block.documents]
    assert lengths == list(range(1, 18))
    assert [block.first for block in blocks] == [len(b.documents[0][0]) - 1 for b in blocks]
    for block in blocks:
        sizes = [len(d[0]) for d in block.documents]
        assert block.text_bytes == sum(sizes)
        assert sum(sizes[:-1]) < 20
        assert {shard_of(size - 1, 17, 3) for size in sizes} == {block.shard}
    assert {block.shard for block in blocks} == {0, 1, 2}


def test_skipping_shards_does_not_change_other_blocks(group):
    every = list(read_blocks(group, 17, 3, max_bytes=20))
    some = list(read_blocks(group, 17, 3, skip=frozenset({0, 2}), max_bytes=20))
    assert some == [block for block in every if block.shard == 1]


def test_small_files_are_read_together_and_large_ones_alone(paths):
    counts = [count(path) for path in paths]  # 21 and 132 bytes
    assert file_groups(paths, counts, group_bytes=22) == [FileGroup(paths, 0, 17)]
    alone = [FileGroup(paths[:1], 0, 6), FileGroup(paths[1:], 6, 11)]
    assert file_groups(paths, counts, group_bytes=21) == alone
    every = [b for group in alone for b in read_blocks(group, 17, 3, max_bytes=20)]
    assert [len(d[0]) for block in every for d in block.documents] == list(range(1, 18))
    assert {block.first for block in every} >= {0, 6}
    paths[0].unlink()  # A group whose shards are all finished is not read again.
    assert list(read_blocks(alone[0], 17, 3, skip=frozenset({0, 1}))) == []


def test_blocks_are_smaller_with_many_copies():
    assert block_bytes(1) == block_bytes(10) == 128 * 1024
    assert block_bytes(40) == 32 * 1024
