"""`ServedQuestionAnswering`: finds the span of a context that answers a question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from albert_tf.modeling.parts import in_parts, rows_at_once
from albert_tf.serving import signatures
from albert_tf.serving.served_task import (
    AnswerFile,
    Arrays,
    ServedTask,
    Tensors,
    Texts,
    Trained,
)
from albert_tf.serving.signatures import SECOND_SAMPLES, TEXTS, Spec, padded
from albert_tf.tasks.question_answering import context_windows
from albert_tf.tasks.question_answering.context_windows import Windows
from albert_tf.tasks.question_answering.joint_model import AlbertJointSpanLabeler
from albert_tf.tasks.question_answering.model import AlbertSpanLabeler
from albert_tf.tasks.question_answering.span_windows import SpanWindowSettings
from albert_tf.tokenization.tokenizer import AlbertTokenizer

# The number of spans whose texts are compared for each of the `n_best` answers, because different
# spans may have the same text. Evaluation compares all spans, which for a long context would be
# millions of texts for one request. The answers differ only if there are fewer than `n_best`
# distinct texts among so many spans.
_SPANS = 40
# Questions run one at a time, which takes as long as this many tokens in a batch.
_LEAST = 64
_NEVER = -1e30  # The score of places that are not a span.
# The best spans of some windows, and the score of no answer in each part of the windows.
_BEST = {
    "scores": tf.TensorSpec([None], tf.float64),
    "firsts": tf.TensorSpec([None], tf.int32),
    "lasts": tf.TensorSpec([None], tf.int32),
    "windows": tf.TensorSpec([None], tf.int32),
    "nulls": tf.TensorSpec([None], tf.float64),
}


_INPUTS = {"question": TEXTS, "context": TEXTS}
_FOUND = {
    "answer": Spec(tf.string, ("B",)),
    "start": Spec(tf.int32, ("B",)),
    "end": Spec(tf.int32, ("B",)),
    "score": Spec(tf.float32, ("B",)),
    "null_odds": Spec(tf.float32, ("B",)),
    "n_best_answers": Spec(tf.string, ("B", "K")),
    "n_best_starts": Spec(tf.int32, ("B", "K")),
    "n_best_ends": Spec(tf.int32, ("B", "K")),
    "n_best_scores": Spec(tf.float32, ("B", "K")),
}
_LOGITS = dict.fromkeys(("start_logits", "end_logits"), Spec(tf.float32, ("B", "S")))
_BEAMS = {
    "start_top_log_probs": Spec(tf.float32, ("B", "K")),
    "start_top_index": Spec(tf.int32, ("B", "K")),
    "end_top_log_probs": Spec(tf.float32, ("B", "K", "L")),
    "end_top_index": Spec(tf.int32, ("B", "K", "L")),
    "impossible_logits": Spec(tf.float32, ("B",)),
}
Finder = TypeVar("Finder", bound="ServedQuestionAnswering")


class SpanSettings(NamedTuple):
    """The settings for windows and answers; see `QuestionAnsweringConfig`."""

    doc_stride: int
    max_query_length: int
    n_best: int
    max_answer_length: int
    null_threshold: float | None


class Spans(NamedTuple):
    """Candidates, [M] each: scores (float64), first and last tokens; and the no-answer score."""

    scores: tf.Tensor
    firsts: tf.Tensor
    lasts: tf.Tensor
    null: tf.Tensor


class ServedQuestionAnswering(ServedTask):
    """Finds the best spans over all windows of a context, as evaluation does.

    Unlike evaluation, it compares the texts of only the 40 * n_best best spans.

    This class uses independent start and end scores. `ServedJointQuestionAnswering` uses the beams
    of the joint model.

    `start` and `end` count characters of the context, as in SQuAD. If there is no answer, or if the
    null odds exceed the threshold from training, `answer` is "". Letters: T tokens of a context, W
    its windows, C context tokens of a window, A tokens of an answer.

    Args:
      model: the model with its weights.
      tokenizer: the tokenizer of the model.
      seq_length: the maximum number of tokens of a window.
      settings: the settings for windows and answers.
    """

    SIGNATURES = {"question_answering": signatures.of_task(_INPUTS, _FOUND, _LOGITS)}

    def __init__(
        self,
        model: AlbertSpanLabeler | AlbertJointSpanLabeler,
        tokenizer: AlbertTokenizer,
        seq_length: int,
        settings: SpanSettings,
    ) -> None:
        self._settings = settings
        (kind,) = self.SIGNATURES
        super().__init__(kind, model, tokenizer, seq_length)

    @classmethod
    def from_predictor(cls: type[Finder], predictor: Trained) -> Finder:
        """Returns the served task, with the settings from the config of the trained task.

        Raises:
          InputError: windows have no room for a question.
        """
        task, length = predictor.task, predictor.seq_length
        settings = {name: getattr(task.task_config, name) for name in SpanSettings._fields}
        SpanWindowSettings(length, settings["doc_stride"], settings["max_query_length"])
        return cls(predictor.model, task.tokenizer, length, SpanSettings(**settings))

    def expected(self, answer: AnswerFile, config: Any) -> tuple[Arrays, Arrays]:
        """Returns questions and contexts, and the expected best spans."""
        questions, contexts = ("Which?", "How many, or how long?", "Why so?"), SECOND_SAMPLES
        rows = [
            {"context": context, "qas": [{"id": str(index), "question": question}]}
            for index, (question, context) in enumerate(zip(questions, contexts))
        ]
        answers = list(answer(".json", json.dumps({"data": [{"paragraphs": rows}]})))
        answers.sort(key=lambda answer: int(answer["id"]))
        fields = dict(answers=("text", ""), starts=("begin", 0), ends=("end", 0))
        fields["scores"] = ("probability", 0.0)
        arrays = self.arrays(answers)
        for name, (field, blank) in fields.items():
            output = f"n_best_{name}"
            best = [[span[field] for span in answer["n_best"]] for answer in answers]
            best = [row + [blank] * (self._settings.n_best - len(row)) for row in best]
            arrays[output] = padded(best, _FOUND[output])
        return dict(question=np.array(questions), context=np.array(contexts)), arrays

    def answer_texts(self, texts: Texts) -> Tensors:
        """Returns the outputs of `serving_default`."""
        query = self.tokenize(texts["question"])[:, : self._settings.max_query_length]
        context = self.graph_tokenizer.tokenize_with_offsets(texts["context"])
        one = {
            "answer": tf.TensorSpec([], tf.string),
            "start": tf.TensorSpec([], tf.int32),
            "end": tf.TensorSpec([], tf.int32),
            "score": tf.TensorSpec([], tf.float32),
        }
        n_best = {
            f"n_best_{name}s": tf.TensorSpec([self._settings.n_best], spec.dtype)
            for name, spec in one.items()
        }
        signature = {**one, "null_odds": tf.TensorSpec([], tf.float32), **n_best}
        size = context_windows.positions(
            context[0].row_lengths(),
            query.row_lengths(),
            self.seq_length,
            self._settings.doc_stride,
        )
        size = tf.maximum(size, _LEAST)
        elements = (query, *context, texts["context"])
        elements = self.limits.admit("tokens", tf.reduce_sum(size), elements)
        return tf.map_fn(
            lambda row: self._one(*row),
            elements,
            fn_output_signature=signature,
            parallel_iterations=1,
        )

    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        return self.model(self.features(ids, mask, types))

    def _one(
        self,
        query: tf.Tensor,
        tokens: tf.Tensor,
        begins: tf.Tensor,
        limits: tf.Tensor,
        context: tf.Tensor,
    ) -> Tensors:
        """Returns the answers to one question; `begins` and `limits` count bytes."""
        windows = context_windows.cut(
            tf.size(tokens), query, self.seq_length, self._settings.doc_stride
        )
        best = self._best(windows, context_windows.rows(windows, query, tokens, self.special_ids))
        spans = tf.gather(begins, best["firsts"]), tf.gather(limits, best["lasts"])
        texts = context_windows.texts(windows, context, (begins, limits))
        keys = texts.keys(best["windows"], *spans)
        keys = tf.where(tf.size(query) > 0, keys, -1)  # A blank question gets no answer.
        firsts = self._distinct(keys)
        chosen, window, *spans = (
            tf.gather(x, firsts) for x in (best["scores"], best["windows"], *spans)
        )
        null = tf.reduce_min(best["nulls"])
        return self._chosen(context, texts.spans(window, *spans), *spans, chosen, null)

    def _best(self, windows: Windows, rows: Sequence[tf.Tensor]) -> Tensors:
        """Returns the best spans of all windows, best first, in the form of `_BEST`."""

        def of_some(number: tf.Tensor, *tensors: tf.Tensor) -> Tensors:
            ids, mask, types, *places = tensors
            spans = self._spans(self.answer(ids, mask, types), Windows(windows.begin, *places))
            kept = self._top(spans.scores)
            # All windows have the same number of spans.
            window = kept // tf.maximum(tf.size(spans.scores) // tf.size(number), 1)
            best = dict(scores=spans.scores, firsts=spans.firsts, lasts=spans.lasts)
            best = {name: tf.gather(values, kept) for name, values in best.items()}
            return {**best, "windows": tf.gather(number, window), "nulls": spans.null[tf.newaxis]}

        number = tf.range(tf.shape(windows.index)[0])
        some = rows_at_once(tf.shape(rows[0])[1])
        best = in_parts(of_some, [number, *rows, *windows[1:]], _BEST, some)
        kept, nulls = self._top(best["scores"]), best.pop("nulls")
        return {**{name: tf.gather(x, kept) for name, x in best.items()}, "nulls": nulls}

    def _top(self, scores: tf.Tensor) -> tf.Tensor:
        """Returns the indices of the best spans, best first; ties go to the earlier span."""
        count = tf.minimum(tf.size(scores), self._settings.n_best * _SPANS)
        values, best = tf.math.top_k(scores, count)
        return best[values > _NEVER / 2]

    def _spans(self, outputs: Tensors, windows: Windows) -> Spans:
        """Returns every possible answer span, in the order of evaluation."""
        starts, ends = (tf.cast(outputs[f"{s}_logits"], tf.float64) for s in ("start", "end"))
        null = tf.reduce_min(starts[:, 0] + ends[:, 0])
        begin, longest = windows.begin, self._settings.max_answer_length
        count = tf.shape(windows.index)[1]  # C
        starts, ends = (x[:, begin : begin + count] for x in (starts, ends))  # [W, C]
        starts = tf.where(windows.widest, starts, _NEVER)
        ends = tf.where(windows.exists, ends, _NEVER)
        ends = tf.pad(ends, [[0, 0], [0, longest]], constant_values=tf.constant(_NEVER, tf.float64))
        more = tf.range(longest)  # [A]
        after = tf.range(count)[:, tf.newaxis] + more  # [C, A]
        scores = starts[:, :, tf.newaxis] + tf.gather(ends, after, axis=1)  # [W, C, A]
        firsts = windows.index[:, :, tf.newaxis] + tf.zeros_like(more)
        return Spans(_flat(scores), _flat(firsts), _flat(firsts + more), null)

    def _odds(self, null: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
        """Returns the score of no answer minus the score of the best answer."""
        return null - best

    def _distinct(self, keys: tf.Tensor) -> tf.Tensor:
        """Returns the first spans of each key, at most `n_best`, without those of empty texts."""
        _, which = tf.unique(keys)
        firsts = tf.math.unsorted_segment_min(
            tf.range(tf.size(which)), which, tf.reduce_max(tf.concat([which, [-1]], 0)) + 1
        )
        exists = tf.gather(keys, firsts) >= 0
        return tf.boolean_mask(firsts, exists)[: self._settings.n_best]

    def _chosen(
        self,
        context: tf.Tensor,
        texts: tf.Tensor,
        begins: tf.Tensor,
        limits: tf.Tensor,
        scores: tf.Tensor,
        null: tf.Tensor,
    ) -> Tensors:
        """Returns the outputs for the best spans with distinct texts, padded with "" and 0."""
        n_best, threshold = self._settings.n_best, self._settings.null_threshold
        missing = [[0, n_best - tf.size(scores)]]
        best = tf.reduce_sum(scores[:1])  # 0 if there is no answer.
        shares = tf.pad(tf.cast(tf.nn.softmax(scores), tf.float32), missing)
        starts, ends = (tf.pad(_characters(context, x), missing) for x in (begins, limits))
        answers = tf.concat([texts, tf.fill([missing[0][1]], "")], 0)
        odds = self._odds(null, best)
        refused = tf.constant(False) if threshold is None else odds > threshold
        return {
            "answer": tf.where(refused, "", answers[0]),
            "start": starts[0],
            "end": ends[0],
            "score": shares[0],
            "null_odds": tf.cast(odds, tf.float32),
            "n_best_answers": answers,
            "n_best_starts": starts,
            "n_best_ends": ends,
            "n_best_scores": shares,
        }


class ServedJointQuestionAnswering(ServedQuestionAnswering):
    """Like `ServedQuestionAnswering`, for the joint model.

    Its ends are conditioned on their starts, and it predicts whether there is no answer.
    """

    SIGNATURES = {"joint_question_answering": signatures.of_task(_INPUTS, _FOUND, _BEAMS)}

    def _spans(self, outputs: Tensors, windows: Windows) -> Spans:
        ends = outputs["end_top_index"] - windows.begin  # [W, K, L]
        starts = outputs["start_top_index"][:, :, tf.newaxis] - windows.begin + tf.zeros_like(ends)
        scores = tf.cast(outputs["start_top_log_probs"], tf.float64)[:, :, tf.newaxis]
        scores += tf.cast(outputs["end_top_log_probs"], tf.float64)  # [W, K, L]
        count = tf.reduce_sum(tf.cast(windows.exists, tf.int32), 1)[:, tf.newaxis, tf.newaxis]
        allowed = (starts >= 0) & (starts <= ends) & (ends < count)
        allowed &= ends - starts < self._settings.max_answer_length
        places = tf.where(allowed, starts, 0)
        # One extra column, because a context may have no token.
        widest = tf.pad(windows.widest, [[0, 0], [0, 1]])
        allowed &= tf.gather(widest, places, batch_dims=1)
        index = tf.pad(windows.index, [[0, 0], [0, 1]])
        firsts = tf.gather(index, places, batch_dims=1)
        lasts = firsts + tf.where(allowed, ends - starts, 0)
        null = tf.cast(tf.reduce_min(outputs["impossible_logits"]), tf.float64)
        return Spans(_flat(tf.where(allowed, scores, _NEVER)), _flat(firsts), _flat(lasts), null)

    def _odds(self, null: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
        return null


def _flat(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1])


def _characters(context: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Converts places from bytes to characters, int32 [N]."""
    texts = tf.fill(tf.shape(places), context)
    return tf.strings.length(tf.strings.substr(texts, tf.zeros_like(places), places), "UTF8_CHAR")
