"""`GraphTokenizer`: gives the same ids as AlbertTokenizer inside a TensorFlow graph."""

from __future__ import annotations

import tensorflow as tf

from albert_tf.tokenization.decoding import AROUND, KEPT
from albert_tf.tokenization.digit_comma import SPACE
from albert_tf.tokenization.graph import offsets as graph_offsets
from albert_tf.tokenization.graph.added_tokens import GraphMatcher, join
from albert_tf.tokenization.graph.alignment import align
from albert_tf.tokenization.graph.digit_comma import DigitComma
from albert_tf.tokenization.graph.edits import row_ids
from albert_tf.tokenization.graph.normalization import normalize
from albert_tf.tokenization.graph.sentencepiece import GraphSentencePiece
from albert_tf.tokenization.graph.wordpiece import GraphWordPiece
from albert_tf.tokenization.tokenizer import AlbertTokenizer


class GraphTokenizer(tf.Module):
    """An AlbertTokenizer for use in a `tf.function`, in `tf.data` and in a SavedModel.

    The graph contains the vocabulary. The operations run on CPUs only; create the object
    outside a strategy's scope.

    The ids can differ from those of the Python tokenizer in two cases. After the first 4,000 tokens
    of a text, a near tie between two ways to split a word may be resolved differently; see
    graph/sentencepiece.py. And of the 282,230 code points that Unicode 14 assigns, 40 are not
    lower-cased: all are capital letters added in that version (Vithkuqi, Glagolitic, Latin
    Extended-D). Cased models are not affected. Letters newer than the Unicode version of the
    running Python may differ too.

    Args:
      tokenizer: provides the model and the settings.
    """

    def __init__(self, tokenizer: AlbertTokenizer) -> None:
        super().__init__(name="graph_tokenizer")
        self.preprocessing = tokenizer.preprocessing
        self.special_ids = tokenizer.special_ids
        self.vocab_size = tokenizer.vocab_size
        self._matcher = GraphMatcher(tokenizer.matcher) if tokenizer.matcher else None
        if tokenizer.is_wordpiece:
            self._wordpiece = GraphWordPiece(tokenizer.processor)
        else:
            self._wordpiece = None
            self._digit_comma = DigitComma(tokenizer)
            self._sentencepiece = GraphSentencePiece(tokenizer.processor)
        with tf.init_scope(), tf.device("CPU:0"):
            self._surfaces = tf.constant(tokenizer.surfaces)  # [V]

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids, int32 [B, (tokens)], of texts, string [B], without special tokens."""
        if self._matcher is None:
            return self._ids(texts)
        parts = self._matcher.apart(texts)
        ids = join(parts, self._ids(parts.texts), parts.ids)
        return _rows(ids.values, ids.row_splits, texts)

    def tokenize_with_offsets(
        self, texts: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Returns the ids and their positions in the text, in bytes.

        Normalising the bytes from start to limit gives the piece without its "▁". A lone "▁" spans
        no bytes.

        Args:
          texts: string [B].

        Returns:
          Ids int32, starts int64 and limits int64, [B, (tokens)] each.
        """
        if self._matcher is None:
            return self._ids_with_offsets(texts)
        parts = self._matcher.apart(texts)
        ids, starts, limits = self._ids_with_offsets(parts.texts)
        first, last = parts.bounds()
        begins = tf.gather(first, parts.plain)
        whole = tf.zeros([tf.size(parts.texts) - tf.size(begins)], tf.int64)
        begins = tf.concat([whole, begins], 0)  # [N]
        begin = tf.gather(begins, row_ids(ids.row_splits))
        values = [tf.cast(ids.values, tf.int64), starts.values + begin, limits.values + begin]
        of_tokens = [
            tf.cast(parts.ids, tf.int64),
            *(tf.gather(x, parts.tokens) for x in (first, last)),
        ]
        found = join(parts, ids.with_values(tf.stack(values, -1)), tf.stack(of_tokens, -1))
        values = tf.unstack(found.values, axis=-1)
        values[0] = tf.cast(values[0], tf.int32)
        return tuple(_rows(x, found.row_splits, texts) for x in values)

    def detokenize(self, ids: tf.RaggedTensor | tf.Tensor) -> tf.Tensor:
        """Returns the texts of ids, without special tokens, as `AlbertTokenizer.decode`.

        Args:
          ids: int32 [B, (tokens)] or [B, S], or [tokens] for a single text.

        Returns:
          string [B], or a string scalar.

        Raises:
          tf.errors.InvalidArgumentError: raised when the graph runs if an id is outside the
            vocabulary.
        """
        flat = ids.flat_values if isinstance(ids, tf.RaggedTensor) else ids
        inside = tf.reduce_all(tf.logical_and(flat >= 0, flat < self.vocab_size))
        rule = f"Ids must lie in [0, {self.vocab_size}), the range of the vocabulary. Received"
        check = tf.debugging.Assert(inside, [rule, flat])
        with tf.control_dependencies([] if check is None else [check]):
            pieces = tf.gather(self._surfaces, flat)
        if isinstance(ids, tf.RaggedTensor):
            rows = row_ids(tf.cast(ids.row_splits, tf.int64))
            texts = tf.strings.unsorted_segment_join(pieces, rows, ids.nrows())
        else:
            texts = tf.strings.reduce_join(pieces, -1)
        # As a plain text begins, it begins after an added token.
        texts = tf.strings.regex_replace(texts, f"(^|{AROUND}){SPACE}+", r"\1")
        for pattern, text in (
            (f"^{AROUND}+|{AROUND}+$", ""),
            (f"{AROUND}+|{SPACE}", " "),
            (KEPT, SPACE),
        ):
            texts = tf.strings.regex_replace(texts, pattern, text)
        return texts

    def _ids(self, texts: tf.Tensor) -> tf.RaggedTensor:
        if self._wordpiece is not None:
            ids = self._wordpiece.tokenize(texts)
            return _rows(ids.values, ids.row_splits, texts)
        tokens = self._sentencepiece.tokenize(normalize(texts, self.preprocessing))
        ids = self._digit_comma.apply(tokens)
        return _rows(ids.values, ids.row_splits, texts)

    def _ids_with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
        if self._wordpiece is not None:
            found = self._wordpiece.tokenize_with_offsets(texts)
            return tuple(_rows(x.values, x.row_splits, texts) for x in found)
        aligned = align(texts, self.preprocessing)
        tokens, starts, limits = self._sentencepiece.tokenize_with_offsets(aligned.texts)
        expanded = self._digit_comma.expand(tokens)
        start, limit = graph_offsets.locate(
            texts, aligned, starts, limits, row_ids(tokens.row_splits), expanded
        )
        return tuple(_rows(v, expanded.row_splits, texts) for v in (expanded.ids, start, limit))


def _rows(values: tf.Tensor, row_splits: tf.Tensor, texts: tf.Tensor) -> tf.RaggedTensor:
    """Returns [B, (tokens)]; the batch size is static if that of the texts is.

    Loading a SavedModel restores the shapes of the trace, in which the batch size is unknown; but
    reshaping to the shape of an input lets TensorFlow infer the size in each graph that calls it.
    """
    limits = tf.reshape(row_splits[1:], tf.shape(texts))  # [B]
    row_splits = tf.concat([[0], limits], 0)  # [B + 1]
    return tf.RaggedTensor.from_row_splits(values, row_splits, validate=False)
