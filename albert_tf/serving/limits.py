"""`Limits`: how much one request to a signature may ask for, so that memory and time are bounded.

A request beyond a limit is an error. Nothing in a request can change a limit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from albert_tf.errors import InputError, closest
from albert_tf.modeling.inputs import checked
from albert_tf.tokenization.graph.normalization import normalize
from albert_tf.tokenization.settings import Preprocessing

# The smallest limits admit the requests of verification and warmup: this many bytes, and this many
# rows of the maximum length.
_LEAST_BYTES, _LEAST_ROWS = 1 << 16, 16
# Normalization makes texts at most so many times as long: U+FDFA, 3 bytes, becomes 33.
_EXPANSION = 11
# The logits of so many pieces take as much memory as a position in the encoder.
PIECES = 2048


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of a request, or of a batch that a server made from several requests.

    Attributes:
      bytes: the bytes of all texts, or of the records of `examples`; 4 MiB by default, more than
        the default number of tokens needs. Checked before texts are read.
      tokens: the tokens that the encoder computes, including special tokens. A text counts as far
        as it is not cut, a context once for each of its windows; of ids, and of what a preprocessor
        returns, all positions. The default takes a model of base size a minute on two cores.
        Checked before the encoder runs.
      answers: the entries of the padded answer of a text that has several: texts x words of the
        longest text, or texts x masks of the text with most of them. Checked before such a table
        exists.
    """

    bytes: int = 1 << 22
    tokens: int = 1 << 16
    answers: int = 1 << 19

    @classmethod
    def parse(cls, text: str, names: Sequence[str] = ("bytes", "tokens", "answers")) -> Limits:
        """Returns the default limits with the changes in a text such as "tokens=4096,bytes=65536".

        Args:
          text: names and values.
          names: the limits that there are for this kind of export.

        Raises:
          InputError: a name is unknown, or a value is not a whole number.
        """
        values = {}
        for part in filter(None, text.split(",")):
            name, _, value = (word.strip() for word in part.partition("="))
            if name not in names:
                raise InputError(
                    f"Unknown limit of requests. Received {name[:40]!r}. {closest(name, names)}"
                )
            if not (value.isascii() and value.isdigit()) or len(value) > 18:
                raise InputError(
                    "--limits must give each limit a whole number of at most 18 digits. Received "
                    f"{part[:40]!r}. Write {name}=N; the default is {getattr(cls, name)}."
                )
            values[name] = int(value)
        return cls(**values)

    def check(self, seq_length: int) -> None:
        """Raises InputError if the requests of verification and warmup would exceed a limit."""
        rows = _LEAST_ROWS * seq_length
        for name, least in dict(bytes=_LEAST_BYTES, tokens=rows, answers=rows).items():
            if getattr(self, name) < least:
                raise InputError(
                    f"--limits must admit {_LEAST_ROWS} texts of the maximum length. Received "
                    f"{name}={getattr(self, name)} with a sequence length of {seq_length}. Pass "
                    f"{name}={least} or more."
                )

    def admit(self, name: str, received: tf.Tensor, tensors: Any) -> Any:
        """Returns a structure of tensors, after checking that a number does not exceed a limit.

        Args:
          name: the limit.
          received: the number in the request, an integer scalar.
          tensors: dense and ragged tensors, from which the next part of the work starts.

        Raises:
          tf.errors.InvalidArgumentError: raised when the graph runs if `received` is too large.
        """
        limit = getattr(self, name)
        rule = (
            f"A request must not have more than {limit} {_MEANING[name]}. Send fewer or shorter "
            f"texts, or export the model with a larger --limits {name}=N. Received:"
        )
        received = tf.cast(received, tf.int64)
        return tf.nest.map_structure(
            lambda x: checked(x, received <= limit, rule, received), tensors, expand_composites=True
        )

    def admit_ids(self, tensors: Sequence[tf.Tensor], more: tf.Tensor | int = 0) -> Any:
        """Returns tensors of one shape, after checking how many positions they have.

        Args:
          tensors: ids, mask and types, [..., S] each.
          more: the work besides that of the encoder, in tokens.
        """
        # An axis of size 0 counts, because the other axes cost time and memory too.
        size = tf.reduce_prod(tf.maximum(tf.shape(tensors[0], tf.int64), 1))
        return self.admit("tokens", size + tf.cast(more, tf.int64), tensors)

    def admit_strings(self, strings: Sequence[tf.Tensor], tokens: int = 1) -> Sequence[tf.Tensor]:
        """Returns the strings of a request, after checking how many and how large they are.

        Args:
          strings: texts or records, of any shape.
          tokens: the least number of tokens of each; even an empty text has a special token.
        """
        strings = self.admit("bytes", _size(strings), strings)
        count = tf.add_n([tf.size(x, tf.int64) for x in strings])
        return self.admit("tokens", count * tokens, strings)

    def admit_texts(self, texts: Sequence[tf.Tensor], rules: Preprocessing) -> Sequence[tf.Tensor]:
        """Returns texts, after checking how large they are when they are normalized."""
        sent = _size(texts)
        size = tf.cond(
            sent * _EXPANSION <= self.bytes,
            lambda: sent,
            lambda: _size([normalize(text, rules) for text in texts]),
        )
        return self.admit("bytes", size, texts)


DEFAULTS = Limits()


def describe(limits: Mapping[str, int]) -> str:
    """Returns limits by name, as a manifest has them, in words."""
    return ", ".join(f"{value:,} {_MEANING[name]}" for name, value in limits.items())


def _size(texts: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the bytes of all texts, int64."""
    return tf.add_n([tf.reduce_sum(tf.cast(tf.strings.length(t), tf.int64)) for t in texts])


_MEANING = {
    "bytes": "bytes of text",
    "tokens": "tokens, including special tokens and each window of a context",
    "answers": "answers, which are padded to the text with most of them",
}
