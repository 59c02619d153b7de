import random

import pytest
import tensorflow as tf

from albert_tf.tokenization.graph import edits


@pytest.mark.parametrize("seed", range(8))
def test_edits_match_a_simple_loop(seed):
    rng = random.Random(seed)
    rows = [[rng.choice([None, None, None, 0, 1, 2, 4]) for _ in range(n)] for n in (7, 0, 1, 9, 3)]
    flat = [length for row in rows for length in row]
    wanted = [(i, length) for i, length in enumerate(flat) if length is not None]
    splits = [0, 7, 7, 8, 17, 20]
    source, begins, new_splits = [], [], [0]
    for index, length in enumerate(flat):
        if length is not None:
            begins.append(len(source))
        source += [index] * (1 if length is None else length)
        new_splits += [len(source)] * splits[1:].count(index + 1)
    positions, lengths = (tf.constant([e[k] for e in wanted], tf.int64) for k in range(2))
    got = edits.edit(positions, lengths, tf.constant(splits, tf.int64))
    assert [part.numpy().tolist() for part in got] == [source, begins, new_splits]


def test_only_rows_with_a_rare_token_are_changed():
    rows = [[1, 2], [], [9, 9, 3], [4], [5, 9]]
    tokens = tf.ragged.constant(rows, row_splits_dtype=tf.int64)
    seen = []

    def doubled(some):
        seen.extend(some.to_list())
        return tf.concat([some, some], 1)

    got = edits.on_rows(tokens, tokens.values == 9, doubled)
    assert seen == [[9, 9, 3], [5, 9]]
    assert got.to_list() == [[1, 2], [], [9, 9, 3, 9, 9, 3], [4], [5, 9, 5, 9]]
    assert edits.on_rows(tokens, tokens.values == 8, doubled).to_list() == rows
