"""Questions of a file, ready for a model, and an account of every one that does not go in whole."""

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

MISPLACED = "left out, as the answer is not where the file says"
NO_TOKEN = "left out, as nothing of the answer is left once the text is normalised"
NO_WINDOW = "trained as unanswerable, as the answer fits into no window"
CUT = "cut to max_query_length"


class Remarks:
    """What became of questions that do not go in whole.

    Attributes:
      ids: for each reason, the ids.
    """

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = defaultdict(list)

    def report(self) -> str:
        """Returns a line for each reason with the number of questions and every id."""
        return "\n".join(
            f"{len(ids)} question(s) {reason}: {', '.join(ids)}"
            for reason, ids in sorted(self.ids.items())
        )


class Prepared(NamedTuple):
    """A question's windows, and why it does not go in whole, if so."""

    question: Question
    windows: list[Window]
    reasons: tuple[str, ...]


def well_placed(
    questions: Sequence[Question], skip_invalid: bool, remarks: Remarks
) -> list[Question]:
    """Returns the questions whose answer stands where the file says, or that have none.

    Args:
      questions: of a file.
      skip_invalid: leave the others out and name them in `remarks`; else they are an error.
      remarks: gets their ids.

    Raises:
      InputError: an answer is not where the file says; the message has file, id and place.
    """
    reasons = {question.id: squad.misplaced(question) for question in questions}
    wrong = [question for question in questions if reasons[question.id]]
    if wrong and not skip_invalid:
        ids = ", ".join(question.id for question in wrong[:10])
        raise InputError(
            "An answer must stand in its context at answer_start, counted in characters. "
            f"Received {wrong[0].origin}: {reasons[wrong[0].id]}. {len(wrong)} of "
            f"{len(questions)} questions are wrong: {ids}{', ...' if len(wrong) > 10 else ''}. "
            "Mend them, or set skip_invalid to leave them out."
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
      questions: their first answer is what a model is trained on; those about one context should
        follow each other, as its tokens are kept until the next.
      tokenizer: the tokenizer.
      settings: how contexts are cut.
      remarks: gets the ids of questions that do not go in whole.
      is_training: leave out those that no model can be trained on; else each is yielded.
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
            # As arrays, of which the windows of all questions about a context are views.
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
        found = windows(query, context, answer, tokenizer.special_ids, settings)
        if has_place and answer is None:
            reasons.append(NO_TOKEN)
        elif has_place and all(window.impossible for window in found):
            reasons.append(NO_WINDOW)
        return Prepared(question, found, tuple(reasons))

    return work
