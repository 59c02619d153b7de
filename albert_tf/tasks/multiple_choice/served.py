"""`ServedMultipleChoice`: selects the correct one of several answers."""

from __future__ import annotations

import json
from typing import Any

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
from albert_tf.serving.signatures import SECOND_SAMPLES, TEXTS, Spec
from albert_tf.tasks.multiple_choice.model import AlbertMultipleChoice
from albert_tf.tokenization.graph.edits import row_ids
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.tokenizer import AlbertTokenizer

_OF_IDS = {
    "index": Spec(tf.int32, ("B",)),
    "probabilities": Spec(tf.float32, ("B", "C")),
    "logits": Spec(tf.float32, ("B", "C")),
}
_SCORES = {"logits": tf.TensorSpec([None], tf.float32), "sizes": tf.TensorSpec([None], tf.int32)}
_CHOICES = (
    ("yes", "of course, 1,000 times", "no"),
    ("one", "two", ""),
    ("none of them", "all", "some of them, but not those that were named before"),
)


class ServedMultipleChoice(ServedTask):
    """Answers a question on a passage, given C choices; long passages are cut, not choices.

    All rows of a request have the same number of choices. If a row has fewer, pad it with empty
    choices, which get probability 0.

    Args:
      model: the model with its weights.
      tokenizer: the tokenizer of the model.
      seq_length: the maximum sequence length.
      max_qa_length: the maximum number of tokens of a question with its choice; the end is kept.
    """

    SIGNATURES = {
        "multiple_choice": signatures.of_task(
            {"passage": TEXTS, "question": TEXTS, "choices": Spec(tf.string, ("B", "C"))},
            {**_OF_IDS, "answer": Spec(tf.string, ("B",))},
            _OF_IDS,
            Spec(tf.int32, AlbertMultipleChoice.INPUT_AXES),
        )
    }

    def __init__(
        self,
        model: AlbertMultipleChoice,
        tokenizer: AlbertTokenizer,
        seq_length: int,
        max_qa_length: int = 128,
    ) -> None:
        self._room = seq_length - special_count(2)
        self._longest = min(max_qa_length, self._room)
        super().__init__("multiple_choice", model, tokenizer, seq_length)

    @classmethod
    def from_predictor(cls, predictor: Trained) -> ServedMultipleChoice:
        """Returns the served task, with `max_qa_length` from the config of the trained task."""
        task, length = predictor.task, predictor.seq_length
        return cls(predictor.model, task.tokenizer, length, task.task_config.max_qa_length)

    def expected(self, answer: AnswerFile, config: Any) -> tuple[Arrays, Arrays]:
        """Returns passages, questions and choices, and the expected answers."""
        questions = ("Which?", "There are _.", "_, or ____?") if config.question else ("",) * 3
        lines = [
            {config.passage: passage, **dict.fromkeys(config.choices, "")}
            | ({config.question: question} if config.question else {})
            | dict(zip(config.choices, choices))
            for passage, question, choices in zip(SECOND_SAMPLES, questions, _CHOICES)
        ]
        answers = answer(".jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        inputs = (SECOND_SAMPLES, questions, _CHOICES)
        names = self.table["serving_default"].inputs
        arrays = self.arrays(answers)
        del arrays["answer"]  # `predict` writes the choice joined with its question.
        return dict(zip(names, map(np.array, inputs))), arrays

    def answer_texts(self, texts: Texts) -> Tensors:
        """Returns the outputs of `serving_default`."""
        choices, shape = texts["choices"], tf.shape(texts["choices"])  # [B, C]
        questions = tf.strings.regex_replace(texts["question"], "_+", "_")  # One gap each.
        questions, choices = self._admitted_gaps(questions, choices)
        exists = tf.not_equal(tf.strings.strip(choices), "")
        exists, flat = tf.reshape(exists, [-1]), tf.reshape(choices, [-1])  # [B*C]
        (joined,) = self.admitted_text([_joined(tf.repeat(questions, shape[1]), flat)])
        ends = self.tokenize(tf.where(exists, joined, ""))[:, -self._longest :]  # [B*C, (tokens)]
        room = self._room - ends.row_lengths()
        room = tf.where(exists, room, 0)  # Evaluation packs no passage with an empty choice.
        passages, rows = self.tokenize(texts["passage"]), tf.repeat(tf.range(shape[0]), shape[1])
        room = tf.minimum(tf.gather(passages.row_lengths(), rows), room)
        size = tf.reduce_sum(room + ends.row_lengths() + special_count(2))
        room, ends = self.limits.admit("tokens", size, (room, ends))
        begins = tf.gather(passages.row_starts(), rows)
        starts = tf.gather(passages.values, tf.ragged.range(begins, begins + room))
        scores = self.answer_segments([starts, ends], self._scores, _SCORES)
        outputs = self._chosen(*(tf.reshape(scores[name], shape) for name in _SCORES))
        return {**outputs, "answer": tf.gather(choices, outputs["index"], batch_dims=1)}

    def answer_rows(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        shape = tf.shape(ids)
        flat = [tf.reshape(x, [shape[0] * shape[1], shape[2]]) for x in (ids, mask, types)]
        scores = in_parts(self._scores, flat, _SCORES, rows_at_once(shape[2]))
        return self._chosen(*(tf.reshape(scores[name], shape[:2]) for name in _SCORES))

    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        logits = self.model(self.features(ids, mask, types))  # [B, C]
        return self._chosen(logits, tf.reduce_sum(mask, axis=2))

    def _scores(self, *rows: tf.Tensor) -> Tensors:
        """Returns the logits and the number of tokens of rows, [R, S], of any questions."""
        outputs = self.answer(*(x[:, tf.newaxis] for x in rows))
        return {"logits": outputs["logits"][:, 0], "sizes": tf.reduce_sum(rows[1], axis=1)}

    def _chosen(self, logits: tf.Tensor, sizes: tf.Tensor) -> Tensors:
        """Returns the outputs for logits and numbers of tokens, [B, C] each."""
        exists = sizes > special_count(2)  # An empty choice has only special tokens.
        scores = tf.where(exists, logits, logits.dtype.min)
        return {
            "index": tf.argmax(scores, axis=-1, output_type=tf.int32),
            "probabilities": tf.nn.softmax(scores),
            "logits": logits,
        }

    def _admitted_gaps(
        self, questions: tf.Tensor, choices: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Checks the size of the questions [B] when each choice [B, C] is in all of their gaps."""
        gaps = tf.strings.split(questions, "_").row_lengths()  # One more than there are gaps.
        length, more = (tf.cast(tf.strings.length(x), tf.int64) for x in (questions, choices))
        size = tf.reduce_sum(length[:, tf.newaxis] + gaps[:, tf.newaxis] * more)
        return self.limits.admit("bytes", size, (questions, choices))


def _joined(questions: tf.Tensor, choices: tf.Tensor) -> tf.Tensor:
    """Returns each question with its choice in the gaps "_", or appended, as in training.

    Several underscores must have become one already.
    """
    gaps = tf.strings.split(questions, "_").row_lengths() - 1
    questions = tf.where(gaps > 0, questions, tf.strings.join([questions, " _"]))
    # Prepend the choice to every part, then remove the first one again.
    parts = tf.strings.split(questions, "_")  # [N, (parts)]
    rows = row_ids(parts.row_splits)
    filled = tf.strings.join([tf.gather(choices, rows), parts.values])
    filled = tf.strings.unsorted_segment_join(filled, rows, parts.nrows())  # [N]
    return tf.strings.substr(filled, tf.strings.length(choices), tf.strings.length(filled))
