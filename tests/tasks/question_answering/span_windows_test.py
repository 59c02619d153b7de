import numpy as np
import pytest

from albert_tf.errors import InputError
from albert_tf.tasks.question_answering.span_windows import SpanWindowSettings, token_span, windows
from albert_tf.tokenization.offsets import TokenSpans
from albert_tf.tokenization.special_ids import SpecialIds

SPECIAL = SpecialIds(pad=0, unk=1, cls=2, sep=3, mask=4)
SETTINGS = SpanWindowSettings(seq_length=12, doc_stride=3, max_query_length=4)
# Eleven tokens of two characters, with one character between tokens.
CONTEXT = TokenSpans(
    list(range(30, 41)), ["x"] * 11, list(range(0, 33, 3)), list(range(2, 35, 3)), [0] * 11
)


def widest_by_definition(parts, token):
    """Returns the index of the window where the smaller side of a token has the most context."""
    scores = {
        index: min(token - first, last - 1 - token) + 0.01 * (last - first)
        for index, (first, last) in enumerate(parts)
        if first <= token < last
    }
    return max(scores, key=scores.get)


def test_a_long_context_is_split_into_overlapping_windows():
    split = windows([20, 21], CONTEXT, (6, 8), SPECIAL, SETTINGS)
    # There is room for 7 tokens of context: 12 minus 2 of the question and 3 special tokens.
    parts = [(0, 7), (3, 10), (6, 11)]
    assert len(split) == len(parts)
    for index, (window, (first, last)) in enumerate(zip(split, parts)):
        assert window.ids.tolist() == [2, 20, 21, 3, *range(30 + first, 30 + last), 3]
        assert window.context_begin == 4
        assert window.starts.tolist() == CONTEXT.starts[first:last]
        assert window.ends.tolist() == CONTEXT.ends[first:last]
        wanted = [widest_by_definition(parts, token) == index for token in range(first, last)]
        assert window.widest.tolist() == wanted
    assert sum(window.widest.sum() for window in split) == 11
    positions = [(w.start_positions, w.end_positions, w.impossible) for w in split]
    assert positions == [(0, 0, 1), (7, 9, 0), (4, 6, 0)]
    for window in split[1:]:
        answer = window.ids[window.start_positions : window.end_positions + 1]
        assert answer.tolist() == [36, 37, 38]


def test_a_stride_longer_than_the_window_leaves_no_gap():
    settings = SpanWindowSettings(seq_length=8, doc_stride=50, max_query_length=4)
    split = windows([20], CONTEXT, None, SPECIAL, settings)
    assert [w.ids[3:-1].tolist() for w in split] == [
        [30, 31, 32, 33],
        [34, 35, 36, 37],
        [38, 39, 40],
    ]


def test_a_context_without_tokens_has_one_window():
    (window,) = windows([20], TokenSpans([], [], [], [], []), None, SPECIAL, SETTINGS)
    assert window.ids.tolist() == [2, 20, 3, 3] and len(window.starts) == 0
    assert (window.start_positions, window.impossible) == (0, 1)


@pytest.mark.parametrize(
    ("begin", "end", "wanted"),
    [(3, 5, (1, 1)), (4, 7, (1, 2)), (0, 33, (0, 10)), (2, 3, None), (2, 4, (1, 1))],
)
def test_a_token_span_has_all_tokens_that_overlap_the_characters(begin, end, wanted):
    assert token_span(CONTEXT, begin, end) == wanted


def test_a_token_span_excludes_empty_tokens():
    context = TokenSpans([1, 2, 3], ["▁", "a", "▁"], [0, 0, 1], [0, 1, 1], [0, 0, 0])
    assert token_span(context, 0, 1) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(seq_length=67), r"seq_length=67 with max_query_length=64. Set seq_length to 68"),
        (dict(doc_stride=0), "must be at least 1. Received doc_stride=0, max_query_length=64"),
    ],
)
def test_bad_settings_are_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        SpanWindowSettings(**arguments)


def test_arrays_are_int32():
    (window,) = windows([20], CONTEXT, (1, 2), SPECIAL, SpanWindowSettings())
    assert {a.dtype for a in (window.ids, window.starts, window.ends)} == {np.dtype(np.int32)}


def test_a_very_long_context_takes_memory_in_proportion_to_its_length():
    count = 60_000  # A table of windows and tokens would have 20,000 x 60,000 entries.
    places = list(range(count))
    context = TokenSpans(places, ["x"] * count, places, list(range(1, count + 1)), [0] * count)
    split = windows([20, 21], context, None, SPECIAL, SETTINGS)
    assert len(split) == 1 + -(-(count - 7) // 3)
    widest = np.concatenate([window.starts[window.widest] for window in split])
    assert sorted(widest.tolist()) == places  # Each token has one widest window.
