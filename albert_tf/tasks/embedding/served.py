"""`ServedEmbedding`: one vector for each text, also as a text embedding of TF-Hub."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from albert_tf.modeling.stack import calls_kept
from albert_tf.serving import signatures
from albert_tf.serving.served_task import ServedTask, Tensors, Texts, Trained
from albert_tf.serving.signatures import TEXTS, Spec
from albert_tf.tasks.embedding.model import AlbertEmbedder
from albert_tf.tasks.text_windows import FIRST, TextWindowSettings, pool
from albert_tf.tokenization.graph import windows
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.tokenizer import AlbertTokenizer

_VECTORS = {"vectors": tf.TensorSpec([None, None], tf.float32)}


class ServedEmbedding(ServedTask):
    """Serves an `AlbertEmbedder`, whose vectors have D numbers.

    If the model pools windows, all of a text are computed; a row of `tokens` is one window.

    The saved module is a reusable text embedding of TF-Hub: `module(texts, training=False)` takes
    string [B] and returns float32 [B, D]. It computes the whole batch at once, with gradients, and
    has no limits.

    Args:
      model: the model with its weights.
      tokenizer: the tokenizer of the model.
      seq_length: the maximum sequence length.
      doc_stride: see `TextWindowSettings`.
      prompt: what is put before each text.
    """

    SIGNATURES = {
        "embedding": signatures.of_task(
            {"text": TEXTS}, {"embedding": Spec(tf.float32, ("B", "D"))}
        )
    }
    CALLED = "embedding"

    def __init__(
        self,
        model: AlbertEmbedder,
        tokenizer: AlbertTokenizer,
        seq_length: int,
        doc_stride: int | None = None,
        prompt: str = "",
    ) -> None:
        self._prompt = prompt
        settings = TextWindowSettings(model.windows, seq_length, doc_stride)
        self._windows, self._stride = settings.windows, settings.stride
        super().__init__("embedding", model, tokenizer, seq_length)
        self.facts |= model.head.settings.to_dict()
        if prompt:
            self.facts["prompt"] = prompt
        if self._windows != FIRST:
            self.facts |= {"windows": self._windows, "doc_stride": self._stride}

    @classmethod
    def from_predictor(cls, predictor: Trained) -> ServedEmbedding:
        """Returns the served model with the stride and the prompt of the task."""
        task, length = predictor.task, predictor.seq_length
        stride = task.task_config.doc_stride
        return cls(predictor.model, task.tokenizer, length, stride, task.prompt)

    def answer_texts(self, texts: Texts) -> Tensors:
        """Returns the vectors of texts; those of several windows are pooled."""
        segments = [self._tokens(text) for text in texts.values()]
        if self._windows == FIRST:
            return self.answer_segments(segments)
        answers, text = self.answer_windows(segments, self._stride, _VECTORS)
        return self._pooled(answers["vectors"], text, segments[0])

    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        vectors = self.model.vectors(self.features(ids, mask, types))  # [B, D]
        return {"embedding": self.model.head.finish(vectors), "vectors": vectors}

    def module(self, assets: Mapping[str, str | os.PathLike]) -> Any:
        """Returns the object to save, which can be called and trained."""
        module = super().module(assets)
        module.trainable_variables = list(self.model.trainable_variables)
        module.regularization_losses = []  # ALBERT has none.
        module.__call__ = tf.function(self._embed, autograph=False)
        for training in (False, True):  # A SavedModel stores only traced functions.
            module.__call__.get_concrete_function(TEXTS.tensor_spec, training=training)
        return module

    def _embed(self, texts: tf.Tensor, training: bool = False) -> tf.Tensor:
        tokens = self._tokens(texts)  # [B, (tokens)]
        rows, text = [tokens], None
        if self._windows != FIRST:
            plan = windows.plan(rows, self.seq_length, self._stride)
            rows, text = windows.cut(rows, plan, self._stride)
        longest = tf.reduce_max(tf.concat([[0], rows[0].row_lengths()], 0)) + special_count(1)
        length = tf.minimum(tf.cast(longest, tf.int32), self.seq_length)
        features = self.features(*self.pack(rows, length))
        with calls_kept():
            vectors = self.model.vectors(features, training)  # [W, D]
        if text is not None:
            vectors = self._pooled(vectors, text, tokens)["embedding"]
        else:
            vectors = self.model.head.finish(vectors)
        return tf.reshape(vectors, [tf.size(texts), self.model.head.size])

    def _tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        return self.tokenize(tf.strings.join([self._prompt, texts]) if self._prompt else texts)

    def _pooled(self, vectors: tf.Tensor, text: tf.Tensor, segment: tf.RaggedTensor) -> Tensors:
        """Returns the vectors of texts, given those of windows and the text of each."""
        count = tf.cast(segment.nrows(), tf.int32)
        pooled = pool(self._windows, vectors, text, count)  # [B, D]
        return {"embedding": self.model.head.finish(pooled)}
