"""`RowTokenizer`: calling a tokenizer returns rows of ids, packed as a model reads them."""

from __future__ import annotations

import abc
import inspect
import itertools
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from albert_tf.tokenization import hugging_face_names, packing
from albert_tf.tokenization.encoding import Encoding, check_tensors, of_packed
from albert_tf.tokenization.lines import as_words
from albert_tf.tokenization.offsets import TokenSpans, of_words
from albert_tf.tokenization.segmentation import Sampling, of_arguments
from albert_tf.tokenization.special_ids import SpecialTokens


class RowTokenizer(SpecialTokens, abc.ABC):
    """A tokenizer that can be called.

    Attributes:
      model_max_length: the maximum length of a row; None if it is not known.
      padding_side: where calls pad rows, "right" or "left".
      truncation_side: where calls cut texts, "right" or "left".
    """

    model_max_length: int | None = None
    padding_side = "right"
    truncation_side = "right"
    _has_warned = False

    @abc.abstractmethod
    def encode_batch(
        self, texts: Iterable[str], num_threads: int = 1, sampling: Sampling | None = None
    ) -> list[list[int]]:
        """Returns the ids of each text, without special tokens."""

    @abc.abstractmethod
    def tokenize_batch_with_offsets(
        self, texts: Iterable[str], sampling: Sampling | None = None
    ) -> list[TokenSpans]:
        """Returns the tokens of each text and their positions, without special tokens."""

    def __call__(
        self,
        texts: str | Iterable[str] | Iterable[Iterable[str]],
        text_pairs: str | Iterable[str] | Iterable[Iterable[str]] | None = None,
        *,
        max_length: int | None = None,
        truncation: str | bool = "longest_first",
        padding: str | bool = "longest",
        num_threads: int = 1,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        truncation_side: str | None = None,
        return_tensors: str = "np",
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        enable_sampling: bool = False,
        alpha: float | None = None,
        nbest_size: int | None = None,
        generator: np.random.Generator | None = None,
        **others: Any,
    ) -> Encoding:
        """Returns the inputs of the encoder: [CLS] A [SEP], or [CLS] A [SEP] B [SEP].

        A warning is shown once if a row is longer than `model_max_length`.

        Args:
          texts: the B first segments; a single text is a batch of one.
          text_pairs: the B second segments, or None.
          max_length: the maximum sequence length, including special tokens; None for no limit, or
            for `model_max_length` if `truncation` is True or `padding` is "max_length".
          truncation: the policy for cutting segments; see `packing.truncate`. True is
            "longest_first"; False or "do_not_truncate" cuts nothing.
          padding: "longest" or True pads to the longest row of the batch, "max_length" to
            `max_length`, or to the longest row if that is not cut and longer.
          num_threads: the number of SentencePiece threads.
          stride: with `return_overflowing_tokens`, the number of tokens that a row repeats of the
            row before it.
          is_split_into_words: whether each text is a list of words, which are tokenized one by one.
          pad_to_multiple_of: S is a multiple of this number.
          padding_side: "right" or "left"; None takes the attribute.
          truncation_side: the end of segments that is cut, "right" or "left"; None takes the
            attribute.
          return_tensors: "np" for NumPy arrays, "tf" for tensors.
          return_overflowing_tokens: whether the rest of a text that is too long follows in rows of
            its own, instead of being left out. Of pairs, `truncation` must name the text to cut.
          return_special_tokens_mask: whether to return which tokens are no text.
          return_offsets_mapping: whether to return where each token begins and ends in its text;
            `Encoding` can then look up tokens, words and characters.
          enable_sampling: whether to sample ways to split the texts, for training.
          alpha: see `Sampling`; 0.1 by default.
          nbest_size: see `Sampling`; -1 by default.
          generator: the random numbers for sampling, such as `np.random.default_rng(seed)`.
          **others: no argument; other arguments of Hugging Face's tokenizers are an error that
            names what to use.

        Returns:
          "input_word_ids", "input_mask", "input_type_ids", int32 [B, S] each; on request,
          "special_tokens_mask", int32 [B, S], 1 for [CLS], [SEP] and <pad>; "offset_mapping", int32
          [B, S, 2], 0 for these; "overflow_to_sample_mapping", int32 [B], the text of each row.

        Raises:
          InputError: an argument is invalid, or contradicts another one.
        """
        if others:
            known = inspect.signature(RowTokenizer.__call__).parameters
            hugging_face_names.refuse(others, known.keys() - {"self", "others"})
        check_tensors(return_tensors)
        if max_length is None and (truncation is True or padding == "max_length"):
            max_length = self.model_max_length
        settings = packing.Packing(
            max_length=max_length,
            truncation=packing.named_truncation(truncation),
            padding="longest" if padding is True else padding,
            stride=stride,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=self.padding_side if padding_side is None else padding_side,
            truncation_side=self.truncation_side if truncation_side is None else truncation_side,
            return_overflowing_tokens=return_overflowing_tokens,
        )
        given = [texts] if text_pairs is None else [texts, text_pairs]
        settings.check(len(given))
        sampled = of_arguments(enable_sampling, alpha, nbest_size, generator)

        ids: list[Any] = []
        spans: list[Any] = []
        for own in given:
            words = as_words(own) if is_split_into_words else None
            own = own if words is None else list(itertools.chain(*words))
            if not return_offsets_mapping:
                ids.append(self.encode_batch(own, num_threads, sampled))
                if words is None:
                    continue
                spans.append([TokenSpans(row, [], [], [], []) for row in ids.pop()])
            else:
                spans.append(self.tokenize_batch_with_offsets(own, sampled))
            if words is not None:
                spans[-1] = of_words(spans[-1], map(len, words))
            ids.append([tokens.ids for tokens in spans[-1]])
        packed = packing.Packed([list(map(len, rows)) for rows in ids], settings)
        self._check_length(packed.longest)
        return of_packed(
            packed,
            ids,
            spans,
            self.special_ids,
            overflow=return_overflowing_tokens,
            special_tokens_mask=return_special_tokens_mask,
            offsets=return_offsets_mapping,
            tensors=return_tensors,
        )

    def _check_length(self, longest: int) -> None:
        limit = self.model_max_length
        if limit is not None and longest > limit and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"A row should not be longer than the model can read. Received {longest} tokens "
                f"for model_max_length={limit}. Set max_length={limit}, or cut longer texts into "
                "rows with return_overflowing_tokens=True.",
                stacklevel=3,
            )

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Returns the number of special tokens of a row of one text, or of a pair."""
        return packing.special_count(1 + pair)

    def build_inputs_with_special_tokens(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Returns the ids of a row: [CLS] A [SEP], or [CLS] A [SEP] B [SEP]."""
        return self._row(token_ids_0, token_ids_1)["input_word_ids"][0].tolist()

    def create_token_type_ids_from_sequences(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Returns the type ids of `build_inputs_with_special_tokens`."""
        return self._row(token_ids_0, token_ids_1)["input_type_ids"][0].tolist()

    def _row(self, first: Sequence[int], second: Sequence[int] | None) -> dict[str, np.ndarray]:
        return packing.pack([[first]] if second is None else [[first], [second]], self.special_ids)
