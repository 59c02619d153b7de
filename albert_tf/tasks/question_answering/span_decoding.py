"""From scores of tokens to answers: the best spans over all windows of a question.

Candidates come from one of two models. `logit_candidates` takes independent start and end logits
(SQuAD 1.1 and models in Hugging Face's form); `beam_candidates` takes the beams of the joint model,
whose ends are conditioned on their starts. A span must lie in the context, begin where its window
is the widest for the token, and have `max_answer_length` tokens at most. C is the number of context
tokens of a window, M that of candidates, K and L the beams of starts and ends.

Source: original squad_utils.py:accumulate_predictions_v1, _v2 and write_predictions_v1, _v2. There
the 20 best starts meet the 20 best ends, and tokens of the question and padding take some of these
places; here all spans are compared, so that the result is the best one and padding has no say.
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
      start_scores: logits or log-probabilities of the first tokens.
      end_scores: likewise, of the last tokens.
      begins: for each span, the character of the context where it begins.
      ends: likewise, where it ends.
    """

    start_scores: np.ndarray
    end_scores: np.ndarray
    begins: np.ndarray
    ends: np.ndarray


@dataclasses.dataclass(frozen=True)
class Span:
    """One answer of an n-best list.

    Attributes:
      text: the part of the context, white space stripped.
      probability: softmax of the sums of both scores over the list.
      start_score: of the first token.
      end_score: of the last token.
      begin: the character of the context where it begins.
      end: likewise, where it ends.
    """

    text: str
    probability: float
    start_score: float
    end_score: float
    begin: int
    end: int

    def to_dict(self) -> dict[str, Any]:
        """Returns what stands in the n-best file."""
        return dataclasses.asdict(self)


class Answer(NamedTuple):
    """What a model says to a question.

    Attributes:
      question: what was asked.
      spans: the best spans, the best first; none if the context has no token.
      null_odds: how sure the model is that there is no answer; larger is surer.
    """

    question: Question
    spans: list[Span]
    null_odds: float

    def text(self, threshold: float | None) -> str:
        """Returns the best span's text, or "" if the odds are above the threshold."""
        if not self.spans or (threshold is not None and self.null_odds > threshold):
            return ""
        return self.spans[0].text


def logit_candidates(
    start_logits: np.ndarray, end_logits: np.ndarray, window: Window, max_answer_length: int
) -> Candidates:
    """Returns every allowed span of a window.

    Args:
      start_logits: of every position of the window, float [S].
      end_logits: likewise.
      window: the window.
      max_answer_length: tokens of the longest answer.
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
      start_scores: log-probabilities of the best starts, float [K].
      start_positions: where they stand in the window, int [K].
      end_scores: log-probabilities of the best ends of each start, float [K, L].
      end_positions: where they stand in the window, int [K, L].
      window: the window.
      max_answer_length: tokens of the longest answer.
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
    """Returns the best answers of a question with different texts, the best first.

    Args:
      context: of the question.
      windows: candidates of each of its windows.
      n_best: answers at most; fewer, even none, if there are not as many candidates.
    """
    merged = Candidates(*(np.concatenate(parts) for parts in zip(*windows)))
    totals = merged.start_scores + merged.end_scores
    chosen: dict[str, int] = {}
    # Stable: among equals the earlier window, then the earlier start, then the shorter span.
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
