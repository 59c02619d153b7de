"""`SpanFinder`: the part of a context that answers a question."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert_tf.modeling.span_labeler import AlbertSpanLabeler
from albert_tf.serving.text_task import Tensors, Texts, TextTask
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.tokenizer import AlbertTokenizer

# Spans that are compared by their texts, for each that is wanted: different spans may have one.
_SPANS = 40
_NEVER = -1e30  # Scores of what is no span.


class SpanSettings(NamedTuple):
    """How contexts are cut and answers chosen; see `QuestionAnsweringConfig`."""

    doc_stride: int = 128
    max_query_length: int = 64
    n_best: int = 20
    max_answer_length: int = 30
    null_threshold: float | None = None


class SpanFinder(TextTask):
    """The best spans over all windows of a context, as in evaluation.

    `start` and `end` count characters of the context, as SQuAD does. Where there is no answer, or
    the odds of that exceed the threshold of the training, `answer` is "". Letters: T tokens of a
    context, W its windows, C context tokens of a window, A tokens of an answer.

    Args:
      model: with the weights.
      tokenizer: of the model.
      seq_length: tokens of a window.
      settings: how contexts are cut and answers chosen.
    """

    def __init__(
        self,
        model: AlbertSpanLabeler,
        tokenizer: AlbertTokenizer,
        seq_length: int,
        settings: SpanSettings,
    ) -> None:
        self._settings = settings
        super().__init__("question_answering", model, tokenizer, seq_length)

    def answer_texts(self, texts: Texts) -> Tensors:
        """Returns the outputs of `serving_default`."""
        query = self.tokenize(texts["question"])[:, : self._settings.max_query_length]
        context = self._graph.tokenize_with_offsets(texts["context"])
        ints = dict.fromkeys(("start", "end"), tf.TensorSpec([], tf.int32))
        many = {f"n_best_{name}s": tf.TensorSpec([None], tf.int32) for name in ints}
        signature = {
            "answer": tf.TensorSpec([], tf.string),
            **ints,
            "score": tf.TensorSpec([], tf.float32),
            "null_odds": tf.TensorSpec([], tf.float32),
            "n_best_answers": tf.TensorSpec([None], tf.string),
            **many,
            "n_best_scores": tf.TensorSpec([None], tf.float32),
        }
        elements = (query, *context, texts["context"])
        return tf.map_fn(lambda row: self._one(*row), elements, fn_output_signature=signature)

    def _answer(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        return self._model(self.features(ids, mask, types))

    def _one(
        self,
        query: tf.Tensor,
        tokens: tf.Tensor,
        begins: tf.Tensor,
        limits: tf.Tensor,
        context: tf.Tensor,
    ) -> Tensors:
        """Returns the answers to one question; begins and limits count bytes."""
        firsts, lasts = self._windows(tf.size(tokens), tf.size(query))  # [W]
        places = tf.range(tf.reduce_max(lasts - firsts))  # [C]
        index = firsts[:, tf.newaxis] + places  # [W, C]
        there = index < lasts[:, tf.newaxis]
        index = tf.where(there, index, 0)
        rows = self._rows(query, tokens, index, lasts - firsts)
        outputs = self.answer(*rows)
        starts, ends = (tf.cast(outputs[f"{s}_logits"], tf.float64) for s in ("start", "end"))
        null = tf.reduce_min(starts[:, 0] + ends[:, 0])
        front = tf.size(query) + 2
        starts, ends = (x[:, front : front + tf.size(places)] for x in (starts, ends))  # [W, C]
        starts = tf.where(self._widest(firsts, lasts, index) & there, starts, _NEVER)
        longest = self._settings.max_answer_length
        ends = tf.where(there, ends, _NEVER)
        ends = tf.pad(ends, [[0, 0], [0, longest]], constant_values=tf.constant(_NEVER, tf.float64))
        after = places[:, tf.newaxis] + tf.range(longest)  # [C, A]
        scores = starts[:, :, tf.newaxis] + tf.gather(ends, after, axis=1)  # [W, C, A]
        flat = tf.reshape(scores, [-1])  # [W*C*A]
        count = tf.minimum(tf.size(flat), self._settings.n_best * _SPANS)
        scores, best = tf.math.top_k(flat, count)
        real = scores > _NEVER / 2
        scores, best = scores[real], best[real]
        first = tf.gather(tf.reshape(index, [-1]), best // longest)  # token of the context
        begins = tf.gather(begins, first)
        limits = tf.gather(limits, first + best % longest)
        return self._chosen(context, begins, limits, scores, null)

    def _windows(self, length: tf.Tensor, query: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the first token of each window and the one after its last, int32 [W]."""
        capacity = self.seq_length - query - special_count(2)
        step = tf.minimum(self._settings.doc_stride, capacity)
        more = tf.maximum(length - capacity, 0)
        firsts = tf.range(1 + (more + step - 1) // step) * step
        return firsts, tf.minimum(firsts + capacity, length)

    def _rows(
        self, query: tf.Tensor, tokens: tf.Tensor, index: tf.Tensor, lengths: tf.Tensor
    ) -> list[tf.Tensor]:
        """Returns ids, mask and types, int32 [W, S]: [CLS] query [SEP] window [SEP]."""
        special, lengths = self.special_ids, lengths[:, tf.newaxis]
        front = tf.concat([[special.cls], query, [special.sep]], 0)
        front = tf.tile(front[tf.newaxis], [tf.shape(index)[0], 1])
        places = tf.range(tf.shape(index)[1] + 1)  # [C + 1]
        window = tf.pad(tf.gather(tf.concat([tokens, [special.pad]], 0), index), [[0, 0], [0, 1]])
        window = tf.where(places < lengths, window, special.pad)
        window = tf.where(tf.equal(places, lengths), special.sep, window)
        real = tf.cast(places <= lengths, tf.int32)
        return [
            tf.concat([front, window], 1),
            tf.concat([tf.ones_like(front), real], 1),
            tf.concat([tf.zeros_like(front), real], 1),
        ]

    def _widest(self, firsts: tf.Tensor, lasts: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        """Returns whether a token has more context here than in other windows, bool [W, C]."""
        token = tf.range(tf.maximum(tf.reduce_max(lasts), 1))  # [T]
        firsts, lasts = firsts[:, tf.newaxis], lasts[:, tf.newaxis]
        poorer = tf.cast(tf.minimum(token - firsts, lasts - 1 - token), tf.float64)
        scores = poorer + 0.01 * tf.cast(lasts - firsts, tf.float64)  # [W, T]
        scores = tf.where((token >= firsts) & (token < lasts), scores, -1.0)
        widest = tf.argmax(scores, axis=0, output_type=tf.int32)  # [T]
        return tf.equal(tf.gather(widest, index), tf.range(tf.shape(index)[0])[:, tf.newaxis])

    def _chosen(
        self,
        context: tf.Tensor,
        begins: tf.Tensor,
        limits: tf.Tensor,
        scores: tf.Tensor,
        null: tf.Tensor,
    ) -> Tensors:
        """Returns the best spans with different texts; "" and 0 behind the last one."""
        n_best, threshold = self._settings.n_best, self._settings.null_threshold
        repeated = tf.fill(tf.shape(begins), context)
        texts = tf.strings.strip(tf.strings.substr(repeated, begins, limits - begins))
        _, which = tf.unique(texts)
        firsts = tf.math.unsorted_segment_min(
            tf.range(tf.size(which)), which, tf.reduce_max(tf.concat([which, [-1]], 0)) + 1
        )
        firsts = tf.boolean_mask(firsts, tf.not_equal(tf.gather(texts, firsts), ""))[:n_best]
        missing = [[0, n_best - tf.size(firsts)]]
        kept = tf.gather(scores, firsts)
        best = tf.reduce_sum(kept[:1])  # 0 where there is none
        shares = tf.pad(tf.cast(tf.nn.softmax(kept), tf.float32), missing)
        starts, ends = (
            tf.pad(_characters(context, tf.gather(x, firsts)), missing) for x in (begins, limits)
        )
        answers = tf.concat([tf.gather(texts, firsts), tf.fill([missing[0][1]], "")], 0)
        odds = null - best
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


def _characters(context: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Returns how many characters stand in front of each place, which counts bytes; int32 [N]."""
    texts = tf.fill(tf.shape(places), context)
    return tf.strings.length(tf.strings.substr(texts, tf.zeros_like(places), places), "UTF8_CHAR")
