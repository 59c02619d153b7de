"""`GraphTokenizer`: the ids of AlbertTokenizer from inside a TensorFlow graph."""

from __future__ import annotations

import tensorflow as tf

from albert_tf.tokenization.graph import offsets as graph_offsets
from albert_tf.tokenization.graph import segments
from albert_tf.tokenization.graph.alignment import align
from albert_tf.tokenization.graph.digit_comma import DigitComma
from albert_tf.tokenization.graph.normalization import normalize
from albert_tf.tokenization.graph.sentencepiece import GraphSentencePiece
from albert_tf.tokenization.tokenizer import AlbertTokenizer


class GraphTokenizer(tf.Module):
    """Gives the ids of an AlbertTokenizer in a `tf.function`, in `tf.data` and in a SavedModel.

    The SentencePiece model lies in the graph. The operations run on CPUs only; make the object
    outside of a strategy's scope.

    Two things can differ from Python. Behind the first 4,000 tokens of a text, a near tie between
    two ways to split a word may be broken the other way, see graph/sentencepiece.py. And 40 of the
    282,230 code points that Unicode 14 assigns, all capital letters that came with it (Vithkuqi,
    Glagolitic, Latin Extended-D), are not lowered; none differs in a cased model. Letters newer
    than the Unicode of the running Python may differ too.

    Args:
      tokenizer: gives the model and the settings.
    """

    def __init__(self, tokenizer: AlbertTokenizer) -> None:
        super().__init__(name="graph_tokenizer")
        self.preprocessing = tokenizer.preprocessing
        self.special_ids = tokenizer.special_ids
        self.vocab_size = tokenizer.vocab_size
        self._digit_comma = DigitComma(tokenizer)
        self._sentencepiece = GraphSentencePiece(tokenizer.processor)

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids, int32 [B, (tokens)], of texts, string [B], without special tokens."""
        if self.preprocessing.rules != "hugging_face":
            return self._ids(texts)
        segments = self._segments(texts)
        return segments.join(segments, self._ids(segments.texts), segments.special)

    def tokenize_with_offsets(
        self, texts: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Returns ids and where each stands in the text, in bytes.

        The bytes from start to limit, normalised, are the piece without its "▁". A "▁" of its own
        has no bytes.

        Args:
          texts: string [B].

        Returns:
          Ids int32, starts int64 and limits int64, [B, (tokens)] each.
        """
        if self.preprocessing.rules != "hugging_face":
            return self._ids_with_offsets(texts)
        segments = self._segments(texts)
        ids, starts, limits = self._ids_with_offsets(segments.texts)
        begin = segments.starts[:, tf.newaxis]
        return (
            segments.join(segments, ids, segments.special),
            segments.join(segments, starts + begin, segments.starts),
            segments.join(segments, limits + begin, segments.limits),
        )

    def _segments(self, texts: tf.Tensor) -> segments.Segments:
        return segments.split(texts, self.special_ids, self.preprocessing.lower_case)

    def _ids(self, texts: tf.Tensor) -> tf.RaggedTensor:
        tokens = self._sentencepiece.tokenize(normalize(texts, self.preprocessing))
        ids = self._digit_comma.apply(tokens)
        return _rows(ids.values, ids.row_splits, texts)

    def _ids_with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
        aligned = align(texts, self.preprocessing)
        tokens, starts, limits = self._sentencepiece.tokenize_with_offsets(aligned.texts)
        expanded = self._digit_comma.expand(tokens)
        start, limit = graph_offsets.locate(
            texts, aligned, starts, limits, tokens.value_rowids(), expanded
        )
        return tuple(_rows(v, expanded.row_splits, texts) for v in (expanded.ids, start, limit))


def _rows(values: tf.Tensor, row_splits: tf.Tensor, texts: tf.Tensor) -> tf.RaggedTensor:
    """Returns [B, (tokens)] with the batch size that the texts have, static if theirs is."""
    static = texts.shape[0]
    row_splits = tf.ensure_shape(row_splits, [None if static is None else static + 1])
    return tf.RaggedTensor.from_row_splits(values, row_splits, validate=False)
