"""`ServedTagging`: predicts a label for each word of a text, or the entities in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.modeling.task_model import TaskModel
from albert_tf.serving import signatures
from albert_tf.serving.served_task import (
    AnswerFile,
    Arrays,
    ServedTask,
    Tensors,
    Texts,
    Trained,
)
from albert_tf.serving.signatures import TEXTS, Spec
from albert_tf.tasks.tagging import graph_entities, schemes
from albert_tf.tokenization import words as word_rules
from albert_tf.tokenization.graph import words as graph_words
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.tokenizer import AlbertTokenizer

_OF_TOKENS = {
    "labels": Spec(tf.string, ("B", "W")),
    "label_indices": Spec(tf.int32, ("B", "W")),
    "probabilities": Spec(tf.float32, ("B", "W", "C")),
    "lengths": Spec(tf.int32, ("B",)),
}
_EACH = ("labels", "label_indices", "probabilities")  # The outputs with an entry for each word.
_OF_WORDS = {**_OF_TOKENS, "words": Spec(tf.string, ("B", "W"))}
_ENTITIES = {
    "entities": Spec(tf.string, ("B", "E")),
    "starts": Spec(tf.int32, ("B", "E")),
    "ends": Spec(tf.int32, ("B", "E")),
    "labels": Spec(tf.string, ("B", "E")),
    "scores": Spec(tf.float32, ("B", "E")),
    "lengths": Spec(tf.int32, ("B",)),
}


class ServedTagging(ServedTask):
    """Cuts texts into words and labels each word by its first token.

    A model that cuts texts by the rule "unicode" returns entities, if its labels have any; others
    return the label of each word. A text that is too long continues in further rows of the batch,
    as in evaluation, so that every word is labelled. In `tokens`, every position counts as a word.
    Letters: T words of all texts, R rows, E entities of a text.

    Args:
      model: the model with its weights.
      tokenizer: the tokenizer of the model.
      seq_length: the maximum number of tokens of a row.
      words: the rule that cuts texts into words; see `tokenization.words`.
    """

    SIGNATURES = {
        "tagging": signatures.of_task({"text": TEXTS}, _OF_WORDS, _OF_TOKENS),
        "entities": signatures.of_task({"text": TEXTS}, _ENTITIES, _OF_TOKENS),
    }

    def __init__(
        self, model: TaskModel, tokenizer: AlbertTokenizer, seq_length: int, words: str
    ) -> None:
        has_entities = words == "unicode" and schemes.of_labels(model.labels)
        super().__init__("entities" if has_entities else "tagging", model, tokenizer, seq_length)
        self._words = words
        self.facts["words"] = words

    @classmethod
    def from_predictor(cls, predictor: Trained) -> ServedTagging:
        """Returns the served task, which cuts texts as the trained task does."""
        task, length = predictor.task, predictor.seq_length
        return cls(predictor.model, task.tokenizer, length, task.describe().settings["words"])

    def expected(self, answer: AnswerFile, config: Any) -> tuple[Arrays, Arrays]:
        """Returns texts, and the labels of their words or their entities."""
        texts = [*signatures.SAMPLES, signatures.SECOND_SAMPLES[1]]
        cut = (word_rules.spans(text, self._words) for text in texts)
        words_of = [[text[slice(*place)] for place in places] for text, places in zip(texts, cut)]
        if self.kind == "entities":
            answers = answer(".jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
        else:
            answers = answer(".conll", "\n\n".join(map("\n".join, words_of)) + "\n")
        arrays = self.arrays(answers)
        lengths = np.array([len(answer["labels"]) for answer in answers], np.int32)
        return {"text": np.array(texts)}, {**arrays, "lengths": lengths}

    def answer_texts(self, texts: Texts) -> Tensors:
        """Returns the outputs of `serving_default`, padded with "" and 0 after the last entry."""
        pieces = graph_words.cut(self._few_words(texts["text"]), self._words)
        words = pieces.words()  # [B, (words)]
        entries = tf.reduce_prod(words.bounding_shape(out_type=tf.int64))
        words, pieces = self.limits.admit("answers", entries, (words, pieces))
        if self.kind == "entities":
            outputs = self._label(words, ("label_indices", "score"))
            table = schemes.table(self.model.labels)
            return graph_entities.find(pieces, outputs["label_indices"], outputs["score"], table)
        outputs = self._label(words, _EACH)
        answers = {name: words.with_values(x).to_tensor() for name, x in outputs.items()}
        lengths = tf.cast(words.row_lengths(), tf.int32)
        return {**answers, "words": words.to_tensor(), "lengths": lengths}

    def _few_words(self, texts: tf.Tensor) -> tf.Tensor:
        """Returns texts, after checking that there is no word without a token.

        Words take more memory than their text, and each has a token or more.
        """
        size = tf.reduce_sum(tf.cast(tf.strings.length(texts), tf.int64))
        count = tf.cond(
            size <= self.limits.tokens,
            lambda: size,
            lambda: graph_words.count(texts, self._words),
        )
        return self.limits.admit("tokens", count, texts)

    def _label(self, words: tf.RaggedTensor, names: Sequence[str]) -> Tensors:
        """Returns some outputs of `_of_words` for all words, [T, ...] each."""
        room = self.seq_length - special_count(1)
        tokens = self.tokenize(words.values)[:, :room]  # [T, (tokens)]
        missing = tf.cast(tf.equal(tokens.row_lengths(), 0), tf.int64)
        unknown = tf.RaggedTensor.from_row_lengths(
            tf.fill([tf.reduce_sum(missing)], self.special_ids.unk), missing
        )
        tokens = tf.concat([tokens, unknown], axis=1)
        rows = _rows(words, tf.cast(tokens.row_lengths(), tf.int32), room)  # [T]
        tokens = tf.RaggedTensor.from_value_rowids(
            tokens, tf.cast(rows, tf.int64)
        )  # [R, (words), (tokens)]
        heads = 1 + tf.cast(tokens.values.row_starts(), tf.int32)
        merged = tokens.merge_dims(1, 2)  # [R, (tokens)]
        heads -= tf.cast(tf.gather(merged.row_starts(), rows), tf.int32)  # [T]
        heads = tf.RaggedTensor.from_value_rowids(heads, tokens.value_rowids())  # [R, (words)]
        specs = {n: tf.TensorSpec(s.shape[1:], s.dtype) for n, s in self.answer_specs().items()}
        specs["score"] = tf.TensorSpec([None], tf.float32)
        specs = {name: specs[name] for name in names}
        return self.answer_segments([merged], self._of_words, specs, [heads])

    def _of_words(self, *rows: tf.Tensor | tf.RaggedTensor) -> Tensors:
        """Returns the outputs of some rows for their words only, given the first token of each."""
        *inputs, heads = rows
        positions = tf.stack([tf.cast(heads.value_rowids(), tf.int32), heads.values], axis=1)
        outputs = self.answer(*inputs)
        outputs = {name: tf.gather_nd(outputs[name], positions) for name in _EACH}
        return {**outputs, "score": tf.reduce_max(outputs["probabilities"], axis=1)}

    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        logits = self.model(self.features(ids, mask, types))  # [B, S, C]
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)  # [B, S]
        return {
            "labels": tf.gather(tf.constant(self.model.labels), best),
            "label_indices": best,
            "probabilities": tf.nn.softmax(logits),
            "lengths": tf.reduce_sum(mask, axis=1),
        }


def _rows(words: tf.RaggedTensor, lengths: tf.Tensor, room: int) -> tf.Tensor:
    """Returns the row of each word, int32 [T].

    A new row starts with each text, and whenever a row is full.

    Args:
      words: [B, (words)].
      lengths: the number of tokens of each word, int32 [T].
      room: the number of tokens that fit in a row.
    """
    limits = tf.cast(tf.gather(words.row_limits(), words.value_rowids()), tf.int32)  # [T]
    after = tf.cumsum(lengths)  # [T]

    def step(word: tf.Tensor, begins: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        full = after[word] - lengths[word] + room
        end = tf.searchsorted(after, full[tf.newaxis], side="right")[0]
        return tf.minimum(end, limits[word]), tf.concat([begins, [word]], 0)

    _, begins = tf.while_loop(
        lambda word, _: word < tf.size(lengths),
        step,
        (0, tf.zeros([0], tf.int32)),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )
    return tf.searchsorted(begins, tf.range(tf.size(lengths)), side="right") - 1
