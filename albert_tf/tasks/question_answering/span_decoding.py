"""Decodes token scores into answers: the best spans over all windows of a question.

Candidates come from one of two models. `logit_candidates` takes independent start and end logits
(SQuAD 1.1, and models in the Hugging Face format). `beam_candidates` takes the beams of the joint
model, where ends are conditioned on their starts. A span must be in the context, begin at a token
whose widest window is this one, and have at most `max_answer_length` tokens. C is the number of
context tokens of a window, M the number of candidates, K and L the beam sizes of starts and ends.

Source: original squad_utils.py:accumulate_predictions_v1, _v2 and write_predictions_v1, _v2. The
original combines the 20 best starts with the 20 best ends, some of which are tokens of the question
or padding. Here all spans are compared, so the result is the best span and does not depend on
padding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from albert_tf.tasks.question_answering.span_windows import Window
from albert_tf.tasks.question_answering.squad import Question


class Candidates(NamedTuple):
    """Spans of one window, float64 or int64 [M] each.

    Attributes:
      start_scores: the logit or log-probability of the first token of each span.
      end_scores: the logit or log-probability of the last token of each span.
      begins: the character of the context where each span begins.
      ends: the character of the context where each span ends.
    """

    start_scores: np.ndarray
    end_scores: np.ndarray
    begins: np.ndarray
    ends: np.ndarray


@dataclasses.dataclass(frozen=True)
class Span:
    """One answer of an n-best list.

    Attributes:
      text: the text of the span, without white space at its ends.
      probability: the softmax over the list of the sums of both scores.
      start_score: the score of the first token.
      end_score: the score of the last token.
      begin: the character of the context where the span begins.
      end: the character of the context where the span ends.
    """

    text: str
    probability: float
    start_score: float
    end_score: float
    begin: int
    end: int

    def to_dict(self) -> dict[str, Any]:
        """Returns the entry for the n-best file."""
        return dataclasses.asdict(self)


class Answer(NamedTuple):
    """The answer of a model to a question.

    Attributes:
      question: the question.
      spans: the best spans, best first; empty if the context has no token.
      null_odds: the odds that there is no answer; larger means no answer is more likely.
    """

    question: Question
    spans: list[Span]
    null_odds: float

    def text(self, threshold: float | None) -> str:
        """Returns the text of the best span, or "" if the odds are above the threshold."""
        if not self.spans or (threshold is not None and self.null_odds > threshold):
            return ""
        return self.spans[0].text


def logit_candidates(
    start_logits: np.ndarray, end_logits: np.ndarray, window: Window, max_answer_length: int
) -> Candidates:
    """Returns every allowed span of a window.

    Args:
      start_logits: the start logit of each position of the window, float [S].
      end_logits: the end logit of each position of the window, float [S].
      window: the window.
      max_answer_length: the maximum number of tokens of an answer.
    """
    length = len(window.starts)
    firsts = np.flatnonzero(window.widest)
    pairs = firsts[:, None] + np.arange(max_answer_length)  # [F, max_answer_length]
    inside = pairs < length
    lasts = pairs[inside]  # [M]
    firsts = np.repeat(firsts, inside.sum(1))  # [M]
    return _candidates(
        window,
        firsts,
        lasts,
        np.asarray(start_logits, np.float64)[window.context_begin + firsts],
        np.asarray(end_logits, np.float64)[window.context_begin + lasts],
    )


def beam_candidates(
    start_scores: np.ndarray,
    start_positions: np.ndarray,
    end_scores: np.ndarray,
    end_positions: np.ndarray,
    window: Window,
    max_answer_length: int,
) -> Candidates:
    """Returns the allowed spans among the beams of a window.

    Args:
      start_scores: the log-probabilities of the best starts, float [K].
      start_positions: the positions of the best starts in the window, int [K].
      end_scores: the log-probabilities of the best ends of each start, float [K, L].
      end_positions: the positions of the best ends in the window, int [K, L].
      window: the window.
      max_answer_length: the maximum number of tokens of an answer.
    """
    beams = np.shape(end_positions)
    firsts = np.broadcast_to(start_positions[:, None], beams).ravel() - window.context_begin
    lasts = np.ravel(end_positions) - window.context_begin  # [K*L]
    length = len(window.starts)
    allowed = (firsts >= 0) & (firsts <= lasts) & (lasts < length)
    allowed &= lasts - firsts < max_answer_length
    allowed[allowed] &= window.widest[firsts[allowed]]
    scores = np.broadcast_to(start_scores[:, None], beams).ravel()
    return _candidates(
        window,
        firsts[allowed],
        lasts[allowed],
        scores[allowed].astype(np.float64),
        np.ravel(end_scores)[allowed].astype(np.float64),
    )


def _candidates(
    window: Window,
    firsts: np.ndarray,
    lasts: np.ndarray,
    start_scores: np.ndarray,
    end_scores: np.ndarray,
) -> Candidates:
    return Candidates(start_scores, end_scores, window.starts[firsts], window.ends[lasts])


def best_spans(context: str, windows: Sequence[Candidates], n_best: int) -> list[Span]:
    """Returns the best answers to a question, best first and without repeated texts.

    Args:
      context: the context of the question.
      windows: the candidates of each window.
      n_best: the maximum number of answers; there are fewer, or none, if there are not enough
        candidates.
    """
    merged = Candidates(*(np.concatenate(parts) for parts in zip(*windows)))
    totals = merged.start_scores + merged.end_scores
    chosen: dict[str, int] = {}
    # The sort is stable: ties go to the earlier window, then the earlier start, then the shorter
    # span.
    for index in np.argsort(-totals, kind="stable"):
        text = context[merged.begins[index] : merged.ends[index]].strip()
        if text and text not in chosen:
            chosen[text] = int(index)
            if len(chosen) == n_best:
                break
    if not chosen:
        return []
    indices = list(chosen.values())
    weights = np.exp(totals[indices] - totals[indices[0]])
    rows = zip(weights / weights.sum(), *(part[indices] for part in merged))
    return [
        Span(text, float(p), float(start), float(end), int(begin), int(last))
        for text, (p, start, end, begin, last) in zip(chosen, rows)
    ]
