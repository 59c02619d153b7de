"""`PreprocessorModule`, the root object of a preprocessor SavedModel: text in, encoder inputs out.

The object implements the TF-Hub API for text preprocessing. Each part is callable:

    module(texts)                                        the three inputs at the default length
    module.tokenize(texts)                               int32 [B, (tokens)]
    module.tokenize.get_special_tokens_dict()            ids by their purpose, and vocab_size
    module.tokenize_with_offsets(texts)                  tokens, with starts and limits in bytes
    module.bert_pack_inputs([tokens], seq_length=n)      the three inputs from several segments
    module.detokenize(tokens)                            the texts of ids

Each of them takes a batch or a single text, without the first axis. Shapes that are static in the
inputs are static in the outputs. Letters: B texts, S sequence length.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from albert_tf.serving import signatures
from albert_tf.serving.limits import DEFAULTS, Limits
from albert_tf.tokenization.graph import packing as graph_packing
from albert_tf.tokenization.graph.tokenizer import GraphTokenizer
from albert_tf.tokenization.packing import check_seq_length
from albert_tf.tokenization.settings import path_beside
from albert_tf.tokenization.tokenizer import AlbertTokenizer

TEXTS = tf.TensorSpec([None], tf.string, name="texts")
TEXT = tf.TensorSpec([], tf.string, name="text")
TOKENS = tf.RaggedTensorSpec([None, None], tf.int32)
WORDS = tf.RaggedTensorSpec([None, None, None], tf.int32)
TOKENS_OF_ONE = tf.TensorSpec([None], tf.int32)
# A SavedModel holds traced functions only, so it needs a limit.
MAX_SEGMENTS = 5


class PreprocessorModule(tf.Module):
    """Converts texts to encoder inputs; save it with `tf.saved_model.save`.

    A call packs each text as one segment: string [B] -> "input_word_ids", "input_mask",
    "input_type_ids", int32 [B, seq_length] each.

    The tokenizer is part of the graph. In addition, the vocabulary and the preprocessing
    settings are stored as assets, for people and programs that read them.

    Args:
      tokenizer: the vocabulary and the rules for text.
      seq_length: the default S, 128 as in the released preprocessors; each call of
        `bert_pack_inputs` can set another.
      limits: the most bytes of texts, and positions of the outputs, of a request to a signature.
        Calls of the module have no limits.

    Attributes:
      tokenize: string [B] -> int32 [B, (tokens)].
      tokenize_with_offsets: string [B] -> one int32 and two int64, [B, (tokens)] each.
      bert_pack_inputs: a list of 1 to `MAX_SEGMENTS` segments, int32 [B, (tokens)] or
        [B, (words), (tokens)], `seq_length` and `truncation` -> the three inputs.
      detokenize: int32 [B, (tokens)] -> string [B], as `AlbertTokenizer.decode`.

    Raises:
      InputError: `seq_length` cannot hold the special tokens.
    """

    def __init__(
        self, tokenizer: AlbertTokenizer, seq_length: int = 128, limits: Limits = DEFAULTS
    ) -> None:
        super().__init__(name="preprocessor")
        check_seq_length(seq_length, segments=1)
        graph = GraphTokenizer(tokenizer)
        self._seq_length, self._limits = seq_length, limits
        self.tokenize = Tokenize(graph)
        self.tokenize_with_offsets = TokenizeWithOffsets(graph)
        self.bert_pack_inputs = BertPackInputs(graph, seq_length)
        self.detokenize = Detokenize(graph)
        # Copied, so that the settings file is beside the model even if it was not before.
        self._files = tempfile.TemporaryDirectory()
        model_file = tokenizer.save(Path(self._files.name))
        self.sp_model = tf.saved_model.Asset(str(model_file))
        self.preprocess_description = tf.saved_model.Asset(str(path_beside(model_file)))
        _trace(self.__call__, TEXTS, TEXT)

    @tf.function(autograph=False)
    def __call__(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the inputs of the encoder, int32 [B, seq_length] each."""
        graph = self.tokenize.graph
        tokens = _of_batch(graph.tokenize, texts)
        return graph_packing.pack(tokens, self._seq_length, graph.special_ids)

    def signatures(self) -> dict[str, Callable[..., Any]]:
        """Returns the signatures of `signatures.PREPROCESSOR`, by name."""
        rules = self.tokenize.graph.preprocessing

        def serving_default(texts: tf.Tensor) -> dict[str, tf.Tensor]:
            sent = self._limits.admit_strings([texts], tokens=self._seq_length)
            return self(*self._limits.admit_texts(sent, rules))

        return {"serving_default": signatures.PREPROCESSOR["serving_default"].bind(serving_default)}


class _Tokenizing(tf.Module):
    """A part that holds the tokenizer and returns its special ids."""

    def __init__(self, graph: GraphTokenizer) -> None:
        super().__init__()
        self.graph = graph
        _trace(self.__call__, TEXTS, TEXT)

    @tf.function(input_signature=[], autograph=False)
    def get_special_tokens_dict(self) -> dict[str, tf.Tensor]:
        """Returns the special ids as int32 scalars, by the names of the TF-Hub API."""
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
    """Converts texts to ids, without special tokens."""

    @tf.function(autograph=False)
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids, int32 [B, (tokens)], of texts, string [B]."""
        return _of_batch(self.graph.tokenize, texts)


class TokenizeWithOffsets(_Tokenizing):
    """Converts texts to ids and the byte offsets of each."""

    @tf.function(autograph=False)
    def __call__(self, texts: tf.Tensor) -> list[tf.RaggedTensor]:
        """Returns ids int32, starts int64 and limits int64, [B, (tokens)] each."""
        return list(_of_batch(self.graph.tokenize_with_offsets, texts))


class BertPackInputs(tf.Module):
    """Packs segments of ids into encoder inputs."""

    def __init__(self, graph: GraphTokenizer, seq_length: int) -> None:
        super().__init__()
        special_ids = graph.special_ids

        @tf.function(autograph=False)
        def call(
            inputs: list[tf.RaggedTensor],
            seq_length: int | tf.Tensor = seq_length,
            truncation: str | tf.Tensor = "round_robin",
        ) -> dict[str, tf.Tensor]:
            return graph_packing.pack(inputs, seq_length, special_ids, truncation)

        # Set on the object, because the default of `seq_length` differs between objects. A
        # SavedModel stores it as the function that a call runs.
        self.__call__ = call
        options = tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.string)
        for spec in (TOKENS, WORDS, TOKENS_OF_ONE):
            for inputs in (spec, *([spec] * count for count in range(1, MAX_SEGMENTS + 1))):
                call.get_concrete_function(inputs, *options)

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, tf.Tensor]:
        """Returns the three inputs, int32 [B, seq_length] each; see `graph_packing.pack`."""
        return self.__dict__["__call__"](*args, **kwargs)


class Detokenize(tf.Module):
    """Converts ids to texts; see `GraphTokenizer.detokenize`."""

    def __init__(self, graph: GraphTokenizer) -> None:
        super().__init__()
        self.graph = graph
        _trace(self.__call__, TOKENS, tf.TensorSpec([None, None], tf.int32), TOKENS_OF_ONE)

    @tf.function(autograph=False)
    def __call__(self, ids: tf.RaggedTensor | tf.Tensor) -> tf.Tensor:
        """Returns texts, string [B], of ids, int32 [B, (tokens)] or [B, S]."""
        return self.graph.detokenize(ids)


def _trace(function: Any, *specs: tf.TypeSpec) -> None:
    """Traces a call for each type of input; a SavedModel stores only traced functions."""
    for spec in specs:
        function.get_concrete_function(spec)


def _of_batch(function: Callable[[tf.Tensor], Any], texts: tf.Tensor) -> Any:
    """Calls a function of batches with a batch, or with a single text."""
    if texts.shape.rank == 1:
        return function(texts)
    result = function(texts[tf.newaxis])
    return tf.nest.map_structure(lambda rows: rows.values, result)
