"""Prepares the questions of a file for a model, and reports those that are skipped or cut."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from albert_tf.errors import InputError
from albert_tf.tasks.question_answering import squad
from albert_tf.tasks.question_answering.span_windows import (
    Window,
    WindowSettings,
    token_span,
    windows,
)
from albert_tf.tasks.question_answering.squad import Question
from albert_tf.tokenization.offsets import TokenSpans
from albert_tf.tokenization.tokenizer import AlbertTokenizer

MISPLACED = "skipped because the answer is not at its answer_start"
NO_TOKEN = "skipped because nothing of the answer remains after normalisation"
NO_WINDOW = "trained as unanswerable because no window contains the whole answer"
CUT = "cut to max_query_length"


class Remarks:
    """Collects the questions that were skipped or cut.

    Attributes:
      ids: the ids of questions by reason.
    """

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = defaultdict(list)

    def report(self) -> str:
        """Returns one line for each reason, with the number of questions and all ids."""
        return "\n".join(
            f"{len(ids)} question(s) {reason}: {', '.join(ids)}"
            for reason, ids in sorted(self.ids.items())
        )


class Prepared(NamedTuple):
    """A question, its windows, and the reasons if it is skipped or cut."""

    question: Question
    windows: list[Window]
    reasons: tuple[str, ...]


def well_placed(
    questions: Sequence[Question], skip_invalid: bool, remarks: Remarks
) -> list[Question]:
    """Returns the questions that are unanswerable or whose answer is at its `answer_start`.

    Args:
      questions: the questions of a file.
      skip_invalid: whether to skip all other questions, instead of raising an error.
      remarks: collects the ids of skipped questions.

    Raises:
      InputError: an answer is not at its `answer_start`; the error names the file, id and place.
    """
    reasons = {question.id: squad.misplaced(question) for question in questions}
    wrong = [question for question in questions if reasons[question.id]]
    if wrong and not skip_invalid:
        ids = ", ".join(question.id for question in wrong[:10])
        raise InputError(
            "An answer must be in its context at answer_start, counted in characters. Received "
            f"{wrong[0].origin}: {reasons[wrong[0].id]}. {len(wrong)} of {len(questions)} "
            f"questions are wrong: {ids}{', ...' if len(wrong) > 10 else ''}. Correct them, or set "
            "skip_invalid to skip them."
        )
    for question in wrong:
        remarks.ids[MISPLACED].append(question.id)
    return [question for question in questions if not reasons[question.id]]


def prepare(
    questions: Iterable[Question],
    tokenizer: AlbertTokenizer,
    settings: WindowSettings,
    remarks: Remarks,
    is_training: bool,
) -> Iterator[Prepared]:
    """Yields the questions with their windows.

    Args:
      questions: the questions; the first answer of each is used for training. Questions about the
        same context should be adjacent, because the tokens of only one context are cached.
      tokenizer: the tokenizer.
      settings: the settings for windows.
      remarks: collects the ids of questions that are skipped or cut.
      is_training: whether to skip questions that cannot be used for training; otherwise every
        question is yielded.
    """
    work = _preparer(tokenizer, settings)
    for prepared in map(work, questions):
        for reason in prepared.reasons:
            if is_training or reason == CUT:
                remarks.ids[reason].append(prepared.question.id)
        if not (is_training and NO_TOKEN in prepared.reasons):
            yield prepared


def _preparer(
    tokenizer: AlbertTokenizer, settings: WindowSettings
) -> Callable[[Question], Prepared]:
    last: dict[str, TokenSpans] = {}

    def work(question: Question) -> Prepared:
        if question.context not in last:
            last.clear()
            spans = tokenizer.tokenize_with_offsets(question.context)
            # As arrays, so that the windows of all questions about a context share them as views.
            starts, ends = np.array(spans.starts, np.int32), np.array(spans.ends, np.int32)
            last[question.context] = spans._replace(starts=starts, ends=ends)
        context = last[question.context]
        query = tokenizer.encode(question.text)
        reasons = [CUT] if len(query) > settings.max_query_length else []
        query = query[: settings.max_query_length]
        answer, has_place = None, bool(question.answers) and question.answers[0].start is not None
        if has_place:
            text, start = question.answers[0]
            answer = token_span(context, start, start + len(text))
        parts = windows(query, context, answer, tokenizer.special_ids, settings)
        if has_place and answer is None:
            reasons.append(NO_TOKEN)
        elif has_place and all(window.impossible for window in parts):
            reasons.append(NO_WINDOW)
        return Prepared(question, parts, tuple(reasons))

    return work
