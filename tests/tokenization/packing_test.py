import numpy as np
import pytest

from albert_tf.errors import InputError
from albert_tf.tokenization import packing
from albert_tf.tokenization.special_ids import SpecialIds

SPECIAL = SpecialIds(pad=0, unk=1, cls=2, sep=3, mask=4)


def popped(first, second, budget):
    """The original: pops from the longer list, or from the second if both are equally long."""
    first, second = list(first), list(second)
    while len(first) + len(second) > budget:
        (first if len(first) > len(second) else second).pop()
    return first, second


def round_robin(first, second, budget):
    """Gives each segment one token in turn."""
    taken = [0, 0]
    sizes = [len(first), len(second)]
    turn = 0
    while sum(taken) < min(budget, sum(sizes)):
        if taken[turn] < sizes[turn]:
            taken[turn] += 1
        turn = 1 - turn
    return first[: taken[0]], second[: taken[1]]


@pytest.mark.parametrize(
    "policy, reference", [("longest_first", popped), ("round_robin", round_robin)]
)
def test_truncation_matches_a_simple_loop(policy, reference):
    for a in range(7):
        for b in range(7):
            for budget in range(15):
                first, second = list(range(a)), list(range(10, 10 + b))
                got = packing.truncate(first, second, budget, policy)
                assert got == tuple(reference(first, second, budget)), (a, b, budget)


def test_policies_can_cut_one_segment_only():
    assert packing.truncate([1, 2, 3], [4, 5], 3, "only_first") == ([1], [4, 5])
    assert packing.truncate([1, 2, 3], [4, 5], 4, "only_second") == ([1, 2, 3], [4])


def test_pack_two_segments():
    packed = packing.pack([[7, 8], []], [[9], [5, 6]], SPECIAL)
    np.testing.assert_array_equal(
        packed["input_word_ids"], [[2, 7, 8, 3, 9, 3], [2, 3, 5, 6, 3, 0]]
    )
    np.testing.assert_array_equal(packed["input_mask"], [[1] * 6, [1] * 5 + [0]])
    np.testing.assert_array_equal(
        packed["input_type_ids"], [[0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 0]]
    )
    assert {array.dtype for array in packed.values()} == {np.dtype(np.int32)}


def test_pack_pads_and_cuts_to_a_length():
    packed = packing.pack([[7, 8, 9], [6]], None, SPECIAL, 4, pad_to_seq_length=True)
    np.testing.assert_array_equal(packed["input_word_ids"], [[2, 7, 8, 3], [2, 6, 3, 0]])
    wide = packing.pack([[]], None, SPECIAL, 5, pad_to_seq_length=True)
    np.testing.assert_array_equal(wide["input_word_ids"], [[2, 3, 0, 0, 0]])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([[1]], [[1]], SPECIAL, 2), r"2 segment\(s\).* 3 special tokens\. Received seq_length=2"),
        (([[1]], None, SPECIAL, 4.0), r"Received seq_length=4\.0"),
        (([[1]], [[1]], SPECIAL, 4, "longest"), r"Received 'longest'\. Closest: longest_first"),
        (
            ([[1]], [[1] * 9], SPECIAL, 4, "only_first"),
            r"cut by truncation='only_first'.*Received 1 tokens, but 9 must be removed",
        ),
        (([[1]], [], SPECIAL), r"Received 1 first and 0 second"),
        (([[1]], None, SPECIAL, None, "longest_first", True), r"Received seq_length=None"),
    ],
)
def test_invalid_arguments_are_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        packing.pack(*arguments)
