"""Compares decoding with an enumeration of all spans that the rules allow."""

import itertools
import math

import numpy as np
import pytest

from albert_tf.tasks.question_answering.span_decoding import (
    beam_candidates,
    best_spans,
    logit_candidates,
)
from albert_tf.tasks.question_answering.span_windows import SpanWindowSettings, windows
from albert_tf.tokenization.offsets import TokenSpans
from albert_tf.tokenization.special_ids import SpecialIds

SPECIAL = SpecialIds(pad=0, unk=1, cls=2, sep=3, mask=4)
CONTEXT = "ab ab cd ef  ab gh cd ij kl ab cd mn op qr st"
LONGEST, PADDING = 4, 3


@pytest.fixture(scope="module")
def cut():
    """Windows of a context with repeated words and an empty token."""
    starts = [i for i, c in enumerate(CONTEXT) if c != " " and (i == 0 or CONTEXT[i - 1] == " ")]
    spans = [(s, s + 2) for s in starts]
    spans.insert(3, (starts[3], starts[3]))  # A "▁" without text.
    begins, ends = map(list, zip(*spans))
    count = len(begins)
    context = TokenSpans(list(range(10, 10 + count)), ["x"] * count, begins, ends, [0] * count)
    settings = SpanWindowSettings(seq_length=13, doc_stride=3, max_query_length=5)
    return windows([8, 9], context, None, SPECIAL, settings)


def allowed(window, first, last):
    """Returns whether the rules allow a span, given its positions in the window."""
    first, last = first - window.context_begin, last - window.context_begin
    count = len(window.starts)
    return 0 <= first <= last < count and last - first + 1 <= LONGEST and bool(window.widest[first])


def reference(rows, n_best):
    """Returns the best distinct texts of rows (total, start score, end score, begin, end)."""
    best = []
    for total, start, end, begin, last in sorted(rows, key=lambda row: -row[0]):
        text = CONTEXT[begin:last].strip()
        if text and text not in [entry[0] for entry in best]:
            best.append((text, total, start, end, begin, last))
    best = best[:n_best]
    weights = [math.exp(entry[1]) for entry in best]
    return [(*entry, weight / sum(weights)) for entry, weight in zip(best, weights)]


def spans_of(window, scored):
    """Yields the rows for `reference` of the allowed (first, last, start score, end score)."""
    for first, last, start, end in scored:
        if allowed(window, first, last):
            begin = window.starts[first - window.context_begin]
            yield start + end, start, end, begin, window.ends[last - window.context_begin]


def check(spans, wanted):
    assert [span.text for span in spans] == [entry[0] for entry in wanted]
    for span, (_, _, start, end, begin, last, probability) in zip(spans, wanted):
        assert (span.start_score, span.end_score) == (start, end)
        assert (span.begin, span.end) == (begin, last)
        assert span.probability == pytest.approx(probability)


@pytest.mark.parametrize("n_best", [1, 6, 999])
@pytest.mark.parametrize("seed", range(5))
def test_best_spans_of_logits_equal_the_enumeration(cut, seed, n_best):
    rng = np.random.default_rng(seed)
    candidates, rows = [], []
    for window in cut:
        length = len(window.ids) + PADDING
        # Whole numbers lead to ties, which both sides resolve by the order of the windows.
        starts, ends = rng.integers(-6, 6, [2, length]).astype(np.float64)
        candidates.append(logit_candidates(starts, ends, window, LONGEST))
        pairs = itertools.product(range(length), repeat=2)
        rows += spans_of(window, ((i, j, starts[i], ends[j]) for i, j in pairs))
    assert len(cut) == 4 and len(rows) > 30
    check(best_spans(CONTEXT, candidates, n_best), reference(rows, n_best))


@pytest.mark.parametrize("seed", range(5))
def test_best_spans_of_beams_equal_the_enumeration(cut, seed):
    rng = np.random.default_rng(seed)
    candidates, rows = [], []
    for window in cut:
        length = len(window.ids) + PADDING
        firsts = rng.permutation(length)[:5]
        lasts = np.stack([rng.permutation(length)[:7] for _ in firsts])
        starts, ends = -np.sort(rng.random(5)), -np.sort(rng.random([5, 7]))
        candidates.append(beam_candidates(starts, firsts, ends, lasts, window, LONGEST))
        rows += spans_of(
            window,
            (
                (firsts[i], lasts[i, j], starts[i], ends[i, j])
                for i, j in itertools.product(range(5), range(7))
            ),
        )
    assert len(rows) > 1
    check(best_spans(CONTEXT, candidates, 3), reference(rows, 3))


def test_scores_of_padding_and_question_do_not_matter(cut):
    window = cut[0]
    rng = np.random.default_rng(0)
    starts, ends = rng.random([2, len(window.ids)])
    plain = best_spans(CONTEXT, [logit_candidates(starts, ends, window, LONGEST)], 5)
    starts[: window.context_begin] = ends[: window.context_begin] = starts[-1] = ends[-1] = 99.0
    padded = [np.append(scores, [99.0] * PADDING) for scores in (starts, ends)]
    assert best_spans(CONTEXT, [logit_candidates(*padded, window, LONGEST)], 5) == plain


def test_a_context_without_tokens_has_no_answer():
    empty = TokenSpans([], [], [], [], [])
    (window,) = windows([8], empty, None, SPECIAL, SpanWindowSettings())
    candidates = logit_candidates(np.zeros(4), np.zeros(4), window, LONGEST)
    assert best_spans("\u0301", [candidates], 3) == []
