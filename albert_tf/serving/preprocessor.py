"""`PreprocessorModule`: what a preprocessor SavedModel holds, text in and encoder inputs out.

The object follows the TF-Hub API for text preprocessing, in every part callable by itself:

    module(texts)                                        the three inputs at the default length
    module.tokenize(texts)                               int32 [B, (tokens)]
    module.tokenize.get_special_tokens_dict()            ids by their purpose, and vocab_size
    module.tokenize_with_offsets(texts)                  tokens, starts, limits in bytes
    module.bert_pack_inputs([tokens], seq_length=n)      the three inputs, of one or two segments

Shapes: B texts, S the sequence length.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from albert_tf.tokenization.graph import packing as graph_packing
from albert_tf.tokenization.graph.tokenizer import GraphTokenizer
from albert_tf.tokenization.packing import check_seq_length
from albert_tf.tokenization.settings import path_beside
from albert_tf.tokenization.tokenizer import AlbertTokenizer

TEXTS = tf.TensorSpec([None], tf.string, name="texts")


class PreprocessorModule(tf.Module):
    """Turns texts into the inputs of the encoder; `tf.saved_model.save` takes it as it is.

    Calling it packs each text as one segment: string [B] -> "input_word_ids", "input_mask",
    "input_type_ids", int32 [B, seq_length] each.

    The tokenizer lies in the graph. The SentencePiece model and the preprocessing settings are
    assets besides, for people and for programs that read them.

    Args:
      tokenizer: the model and the rules.
      seq_length: the default S, 128 as in the released preprocessors; can be set at each call of
        `bert_pack_inputs`.

    Attributes:
      tokenize: string [B] -> int32 [B, (tokens)].
      tokenize_with_offsets: string [B] -> int32 and twice int64, [B, (tokens)] each.
      bert_pack_inputs: a list of one or two segments, int32 [B, (tokens)] or
        [B, (words), (tokens)], and `seq_length` -> the three inputs.

    Raises:
      InputError: `seq_length` cannot hold the special tokens.
    """

    def __init__(self, tokenizer: AlbertTokenizer, seq_length: int = 128) -> None:
        super().__init__(name="preprocessor")
        check_seq_length(seq_length, segments=1)
        graph = GraphTokenizer(tokenizer)
        self._seq_length = seq_length
        self.tokenize = Tokenize(graph)
        self.tokenize_with_offsets = TokenizeWithOffsets(graph)
        self.bert_pack_inputs = BertPackInputs(graph, seq_length)
        # Copied, so that the settings lie beside the model whether they did so before or not.
        self._files = tempfile.TemporaryDirectory()
        model_file = tokenizer.save(Path(self._files.name))
        self.sp_model = tf.saved_model.Asset(str(model_file))
        self.preprocess_description = tf.saved_model.Asset(str(path_beside(model_file)))

    @tf.function(input_signature=[TEXTS], autograph=False)
    def __call__(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the inputs of the encoder, int32 [B, seq_length] each."""
        graph = self.tokenize.graph
        return graph_packing.pack(graph.tokenize(texts), self._seq_length, graph.special_ids)


class _Tokenizing(tf.Module):
    """A part that holds the tokenizer and tells its special ids."""

    def __init__(self, graph: GraphTokenizer) -> None:
        super().__init__()
        self.graph = graph

    @tf.function(input_signature=[], autograph=False)
    def get_special_tokens_dict(self) -> dict[str, tf.Tensor]:
        """Returns int32 scalars by the names of the TF-Hub API."""
        ids = self.graph.special_ids
        values = {
            "start_of_sequence_id": ids.cls,
            "end_of_segment_id": ids.sep,
            "padding_id": ids.pad,
            "mask_id": ids.mask,
            "vocab_size": self.graph.vocab_size,
        }
        return {name: tf.constant(value, tf.int32) for name, value in values.items()}


class Tokenize(_Tokenizing):
    """Texts to ids, without special tokens."""

    @tf.function(input_signature=[TEXTS], autograph=False)
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of texts, string [B], as int32 [B, (tokens)]."""
        return self.graph.tokenize(texts)


class TokenizeWithOffsets(_Tokenizing):
    """Texts to ids and the bytes where each stands."""

    @tf.function(input_signature=[TEXTS], autograph=False)
    def __call__(self, texts: tf.Tensor) -> list[tf.RaggedTensor]:
        """Returns ids int32, starts int64 and limits int64, [B, (tokens)] each."""
        return list(self.graph.tokenize_with_offsets(texts))


class BertPackInputs(tf.Module):
    """One or two segments of ids to the inputs of the encoder."""

    def __init__(self, graph: GraphTokenizer, seq_length: int) -> None:
        super().__init__()
        special_ids = graph.special_ids

        @tf.function(autograph=False)
        def call(
            inputs: list[tf.RaggedTensor], seq_length: int | tf.Tensor = seq_length
        ) -> dict[str, tf.Tensor]:
            return graph_packing.pack(inputs, seq_length, special_ids)

        # On the object, because a default that differs from object to object cannot be had on the
        # class; a SavedModel keeps it as the function that a call runs.
        self.__call__ = call
        for rank in (2, 3):
            spec = tf.RaggedTensorSpec([None] * rank, tf.int32)
            for segments in (1, 2):
                call.get_concrete_function(
                    [spec] * segments, seq_length=tf.TensorSpec([], tf.int32)
                )

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, tf.Tensor]:
        """Returns the three inputs, int32 [B, seq_length] each; see `graph_packing.pack`."""
        return self.__dict__["__call__"](*args, **kwargs)
