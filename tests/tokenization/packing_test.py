import itertools

import numpy as np
import pytest

from albert_tf.errors import InputError
from albert_tf.tokenization import packing
from albert_tf.tokenization.packing import Packing
from albert_tf.tokenization.special_ids import SpecialIds

SPECIAL = SpecialIds(pad=0, unk=1, cls=2, sep=3, mask=4)


def popped(segments, budget):
    """The original: pops from the longest list, or from the last of equally long ones."""
    segments = [list(segment) for segment in segments]
    while sum(map(len, segments)) > budget:
        longest = max(map(len, segments))
        [segment for segment in segments if len(segment) == longest][-1].pop()
    return segments


def round_robin(segments, budget):
    """Gives each segment one token in turn."""
    taken = [[] for _ in segments]
    for place in range(max(map(len, segments))):
        for segment, kept in zip(segments, taken):
            if place < len(segment) and sum(map(len, taken)) < budget:
                kept.append(segment[place])
    return taken


def waterfall(segments, budget):
    """Takes tokens from left to right."""
    taken = [[] for _ in segments]
    for segment, kept in zip(segments, taken):
        for token in segment:
            if sum(map(len, taken)) < budget:
                kept.append(token)
    return taken


REFERENCES = {"longest_first": popped, "round_robin": round_robin, "waterfall": waterfall}


@pytest.mark.parametrize("policy", REFERENCES)
@pytest.mark.parametrize("count, most", [(1, 7), (2, 7), (3, 4), (4, 3)])
def test_truncation_matches_a_simple_loop(policy, count, most):
    for lengths in itertools.product(range(most), repeat=count):
        segments = [list(range(10 * i, 10 * i + size)) for i, size in enumerate(lengths)]
        for budget in range(count * most + 1):
            got = packing.truncate(segments, budget, policy)
            assert got == REFERENCES[policy](segments, budget), (lengths, budget)


def test_policies_can_cut_one_segment_only():
    segments = [[1, 2, 3], [4, 5]]
    assert packing.truncate(segments, 3, "only_first") == [[1], [4, 5]]
    assert packing.truncate(segments, 4, "only_second") == [[1, 2, 3], [4]]
    assert packing.truncate(segments[:1], 2, "only_first") == [[1, 2]]


def test_pack_two_segments():
    packed = packing.pack([[[7, 8], []], [[9], [5, 6]]], SPECIAL)
    np.testing.assert_array_equal(
        packed["input_word_ids"], [[2, 7, 8, 3, 9, 3], [2, 3, 5, 6, 3, 0]]
    )
    np.testing.assert_array_equal(packed["input_mask"], [[1] * 6, [1] * 5 + [0]])
    np.testing.assert_array_equal(
        packed["input_type_ids"], [[0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 0]]
    )
    assert {array.dtype for array in packed.values()} == {np.dtype(np.int32)}


def test_pack_three_segments():
    packed = packing.pack([[[7, 8]], [[9]], [[5, 6, 7]]], SPECIAL, Packing(8, "waterfall"))
    np.testing.assert_array_equal(packed["input_word_ids"], [[2, 7, 8, 3, 9, 3, 5, 3]])
    np.testing.assert_array_equal(packed["input_type_ids"], [[0, 0, 0, 0, 1, 1, 2, 2]])


def test_pack_pads_and_cuts_to_a_length():
    packed = packing.pack([[[7, 8, 9], [6]]], SPECIAL, Packing(4, padding="max_length"))
    np.testing.assert_array_equal(packed["input_word_ids"], [[2, 7, 8, 3], [2, 6, 3, 0]])
    wide = packing.pack([[[]]], SPECIAL, Packing(5, padding="max_length"))
    np.testing.assert_array_equal(wide["input_word_ids"], [[2, 3, 0, 0, 0]])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ([[[1]], [[1]]], SPECIAL, Packing(2)),
            r"2 segment\(s\).* 3 special tokens\. Received seq_length=2",
        ),
        (([[[1]]], SPECIAL, Packing(4.0)), r"Received seq_length=4\.0"),
        (
            ([[[1]], [[1]]], SPECIAL, Packing(4, "longest")),
            r"Received 'longest'\. Closest: longest_first",
        ),
        (
            ([[[1]], [[1] * 9]], SPECIAL, Packing(4, "only_first")),
            r"cut by truncation='only_first'.*Received 1 tokens, but 9 must be removed",
        ),
        (([[[1]], [], [[2]]], SPECIAL), r"Received 1 and 0 and 1 segments"),
        (([[[1]]], SPECIAL, Packing(padding="max_length")), r"Received max_length=None"),
    ],
)
def test_invalid_arguments_are_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        packing.pack(*arguments)
