"""Prepares the questions of a file for a model, and reports those that are left out or cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from albert_tf.data.row_report import RowReport
from albert_tf.tasks.question_answering import squad
from albert_tf.tasks.question_answering.span_windows import (
    SpanWindowSettings,
    Window,
    token_span,
    windows,
)
from albert_tf.tasks.question_answering.squad import Question
from albert_tf.tokenization.offsets import TokenSpans
from albert_tf.tokenization.tokenizer import AlbertTokenizer

MISPLACED = "the answer is not at its answer_start"
NO_TOKEN = "nothing of the answer remains after normalisation"
NO_WINDOW = "trained as unanswerable because no window contains the whole answer"
CUT = "cut to max_query_length"
BLANK = "answered with no text because the question or the context is blank"


class Prepared(NamedTuple):
    """A question, its windows, and the reasons if it is skipped or cut."""

    question: Question
    windows: list[Window]
    reasons: tuple[str, ...]


def well_placed(questions: Sequence[Question], report: RowReport) -> list[Question]:
    """Returns the questions that are unanswerable or whose answer is at its `answer_start`.

    Args:
      questions: the questions of a file.
      report: takes the questions that are left out.

    Raises:
      InputError: an answer is not at its `answer_start`, and the report does not leave broken rows
        out. The error names the file, id and place.
    """
    reasons = {question.id: squad.misplaced(question) for question in questions}
    wrong = [question for question in questions if reasons[question.id]]
    if wrong:
        ids = ", ".join(question.id for question in wrong[:10])
        problem = (
            "An answer must be in its context at answer_start, counted in characters. Received "
            f"{wrong[0].origin}: {reasons[wrong[0].id]}. {len(wrong)} of {len(questions)} "
            f"questions are wrong: {ids}{', ...' if len(wrong) > 10 else ''}. Correct them, or set "
            "skip_invalid to skip them."
        )
        for question in wrong:
            report.broken(MISPLACED, question.origin, problem)
    return [question for question in questions if not reasons[question.id]]


def prepare(
    questions: Iterable[Question],
    tokenizer: AlbertTokenizer,
    settings: SpanWindowSettings,
    report: RowReport,
    is_training: bool,
) -> Iterator[Prepared]:
    """Yields the questions with their windows.

    Args:
      questions: the questions; the first answer of each is used for training. Questions about the
        same context should be adjacent, because the tokens of only one context are cached.
      tokenizer: the tokenizer.
      settings: the settings for windows.
      report: takes the questions that are left out, cut or blank.
      is_training: whether to skip questions that cannot be used for training; otherwise every
        question is yielded.
    """
    work = _preparer(tokenizer, settings)
    for prepared in map(work, questions):
        place, reasons = prepared.question.origin, prepared.reasons
        if is_training and NO_TOKEN in reasons:
            report.leave_out(NO_TOKEN, place)
            continue
        for reason in reasons:
            if reason == CUT or (reason == BLANK) != is_training:
                report.remark(reason, place)
        yield prepared


def _preparer(
    tokenizer: AlbertTokenizer, settings: SpanWindowSettings
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
        if not query or not len(context.ids):
            reasons.append(BLANK)
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
