import pytest

from albert_tf.data.blocks import read_blocks, shard_of


@pytest.fixture
def paths(tmp_path):
    """17 documents in two files; document i is one line of i + 1 letters."""
    documents = ["x" * (i + 1) for i in range(17)]
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    files[0].write_text("\n\n".join(documents[:6]))
    files[1].write_text("\n\n".join(documents[6:]))
    return files


def test_shards_are_even_ranges():
    shards = [shard_of(i, 17, 5) for i in range(17)]
    assert shards == sorted(shards)
    assert sorted(shards.count(s) for s in range(5)) == [3, 3, 3, 4, 4]


def test_blocks_cover_all_documents_and_stay_in_shards(paths):
    blocks = list(read_blocks(paths, 17, 3, block_bytes=20))
    lengths = [len(d[0]) for block in blocks for d in block.documents]
    assert lengths == list(range(1, 18))
    assert [block.first for block in blocks] == [len(b.documents[0][0]) - 1 for b in blocks]
    for block in blocks:
        sizes = [len(d[0]) for d in block.documents]
        assert block.text_bytes == sum(sizes)
        assert sum(sizes[:-1]) < 20
        assert {shard_of(size - 1, 17, 3) for size in sizes} == {block.shard}
    assert {block.shard for block in blocks} == {0, 1, 2}


def test_skipping_shards_leaves_the_other_blocks_as_they_were(paths):
    every = list(read_blocks(paths, 17, 3, block_bytes=20))
    some = list(read_blocks(paths, 17, 3, skip=frozenset({0, 2}), block_bytes=20))
    assert some == [block for block in every if block.shard == 1]
