"""SentencePiece as TensorFlow operations, with the ids and offsets of the Python library.

tf_text has two operations. `SentencepieceTokenizer` bundles an old library that resolves ties
between two ways to split a text differently from the current one, which matters for runs such as
"9999". `FastSentencepieceTokenizer` computes the same steps as the current library, also in
float32, and is twice as fast, but it penalises an unknown character once for each of its bytes and
reports no offsets. This module works around both shortcomings:

- Each byte becomes a piece. The first byte of a character gets the penalty of an unknown character
  and the others get none, so that sums, and therefore ties, are the same as in Python.
- Offsets are computed from the byte lengths of the pieces and from the other operation, which, with
  a model of single bytes, maps each byte of the text normalised by SentencePiece to its source.

The Python library resets its sums at -100,000, which they reach after 4,000 unknown characters or
15,000 common pieces. After that, near ties can be resolved differently.

Shapes: B texts; V ids in the vocabulary; T tokens of all texts, with a separate token for each byte
of an unknown character; U tokens after joining these; N bytes of all normalised texts.
"""

from __future__ import annotations

import numpy as np
import sentencepiece
import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.errors import InputError
from albert_tf.tokenization import model_proto
from albert_tf.tokenization.digit_comma import SPACE
from albert_tf.tokenization.graph.edits import edit, lower_bound, on_rows

# SentencePiece scores a character that occurs in no piece this much below the lowest score.
_UNKNOWN_PENALTY = 10.0


class GraphSentencePiece(tf.Module):
    """Gives the same ids as a SentencePieceProcessor inside a graph.

    Args:
      processor: a processor with a unigram model and SentencePiece's default treatment of white
        space.

    Raises:
      InputError: the model is of another kind, for which the graph would give different ids.
    """

    def __init__(self, processor: sentencepiece.SentencePieceProcessor) -> None:
        super().__init__(name="sentencepiece")
        self._unknown = processor.unk_id()
        self._vocab_size = processor.get_piece_size()
        known = _known_pieces(processor)
        single = {piece.encode() for piece in known}
        extra = [code for code in range(1, 256) if bytes([code]) not in single]
        pieces = [piece.encode() for piece in processor.id_to_piece(list(range(self._vocab_size)))]
        unknown = float(np.float32(min(known.values())) - np.float32(_UNKNOWN_PENALTY))
        scored = [(bytes([c]), 0.0 if 0x80 <= c < 0xC0 else unknown) for c in extra]
        serialized = processor.serialized_model_proto()
        # Created outside any graph, so that all graphs share the tensors that hold the model.
        with tf.init_scope(), tf.device("CPU:0"):
            self._lengths = tf.constant([*map(len, pieces), *(1 for _ in extra)])  # [V + extra]
            self._fast = tf_text.FastSentencepieceTokenizer(
                model_proto.with_pieces(serialized, scored)
            )
            self._bytes = tf_text.SentencepieceTokenizer(model_proto.of_bytes(serialized))
            self._check(processor, known)

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of texts, string [B], as int32 [B, (tokens)].

        The texts must be valid UTF-8 without NUL, as graph/normalization.py ensures.
        """
        tokens = self._fast.tokenize(texts).with_row_splits_dtype(tf.int64)
        return on_rows(tokens, tokens.values >= self._vocab_size, lambda t: self._joined(t)[0])

    def tokenize_with_offsets(
        self, texts: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        """Returns the ids, and where each begins and ends in its text.

        Args:
          texts: string [B], with the same requirements as for `tokenize`.

        Returns:
          Ids int32 [B, (U)], starts and limits int64 [U], in bytes.
        """
        tokens = self._fast.tokenize(texts).with_row_splits_dtype(tf.int64)
        _, starts, limits = self._bytes.tokenize_with_offsets(texts)  # [B, (N)]
        ids, first = self._joined(tokens)
        # Pieces and bytes cover the same text, so cumulative byte lengths index into the bytes.
        lengths = tf.gather(self._lengths, tokens.values)  # [T]
        begin = tf.gather(tf.cumsum(lengths, exclusive=True), first)  # [U]
        end = tf.concat([begin, [tf.reduce_sum(lengths)]], 0)[1:]
        start = tf.gather(starts.values, begin)
        limit = tf.gather(limits.values, end - 1)
        return ids, tf.cast(start, tf.int64), tf.cast(limit, tf.int64)

    def _joined(self, tokens: tf.RaggedTensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Joins each run of unknown bytes into one token.

        Returns:
          Ids int32 [B, (U)], and the index of the first byte or piece of each, int64 [U].
        """
        unknown = tokens.values >= self._vocab_size  # [T]
        place = tf.where(unknown)[:, 0]
        row = lower_bound(tokens.row_splits, place + 1)
        inside = (place[1:] == place[:-1] + 1) & (row[1:] == row[:-1])
        # Only bytes that follow another unknown byte of the same row.
        inside = tf.gather(place, 1 + tf.where(inside)[:, 0])
        edited = edit(inside, tf.zeros_like(inside), tokens.row_splits)
        values = tf.gather(tf.where(unknown, self._unknown, tokens.values), edited.source)
        ids = tf.RaggedTensor.from_row_splits(values, edited.row_splits, validate=False)
        return ids, edited.source

    def _check(
        self, processor: sentencepiece.SentencePieceProcessor, known: dict[str, float]
    ) -> None:
        probes = ["", " a  b ", "\U0010ffff~a", *(piece.replace(SPACE, " ") for piece in known)]
        for probe, ids, expected in zip(
            probes, self.tokenize(tf.constant(probes)).to_list(), processor.encode(probes)
        ):
            if ids != expected:
                raise InputError(
                    "A vocabulary inside a graph must be a SentencePiece model of type unigram, "
                    "with the default treatment of white space, and with symbols that its "
                    f"normalisation does not change. Received a model that gives {expected} for "
                    f"{probe!r}, where the graph gives {ids}. Train the vocabulary with "
                    "`albert-tf vocab`, or use AlbertTokenizer outside the graph."
                )


def _known_pieces(processor: sentencepiece.SentencePieceProcessor) -> dict[str, float]:
    """Returns the scores of the pieces that can represent text."""
    excluded = (processor.is_control, processor.is_unknown, processor.is_unused, processor.is_byte)
    return {
        processor.id_to_piece(index): processor.get_score(index)
        for index in range(processor.get_piece_size())
        if not any(is_excluded(index) for is_excluded in excluded)
    }
