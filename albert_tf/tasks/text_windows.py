"""Documents longer than the model: windows of their tokens, whose logits or vectors are pooled.

Each window is a row with special tokens of its own. The logits of a document, and so its loss and
its answer, are the mean or the maximum of those of its windows; so is its embedding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from albert_tf.errors import InputError, closest
from albert_tf.modeling.inputs import joined
from albert_tf.modeling.parts import in_parts, rows_at_once

FIRST = "first"
# Of the windows of each document; an index of -1 means that a row is no window.
_POOLS = {"mean": tf.math.unsorted_segment_mean, "max": tf.math.unsorted_segment_max}
CHOICES = (FIRST, *_POOLS)
# A step of training computes BATCH_SIZE times this many windows at most.
MAX_WINDOWS = 8


def pool(windows: str, logits: tf.Tensor, document: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns the logits or vectors of documents, float32 [B, C].

    Args:
      windows: "mean" or "max".
      logits: those of windows, float32 [W, C].
      document: the index of the document of each window, int32 [W]; -1 for none.
      count: B.
    """
    return _POOLS[windows](logits, document, count)


def are_windows(windows: str, features: Mapping[str, tf.Tensor]) -> bool:
    """Returns whether inputs, by the names of the model, are windows of documents, [B, W, S]."""
    words = features.get("input_word_ids")
    return windows != FIRST and words is not None and len(np.shape(words)) == 3


def of_documents(
    windows: str,
    features: Mapping[str, tf.Tensor],
    compute: Callable[[Mapping[str, tf.Tensor]], tf.Tensor],
    width: int,
    remove_padding: bool,
    training: bool,
) -> tf.Tensor:
    """Returns what a model computes for the windows of documents, pooled, float32 [B, width].

    Args:
      windows: see `pool`.
      features: inputs by the names of the model, int32 [B, W, S]; a window that a document lacks
        is padding.
      compute: takes such inputs of rows, [R, S], and returns float32 [R, width].
      width: the number of logits, or of the numbers of a vector.
      remove_padding: whether windows that do not exist are left out before they are computed.
      training: whether all rows are computed together, as gradients need.
    """
    rows = WindowRows(features, remove_padding)
    if training:
        results = compute({**features, **rows.features})
    else:
        outputs = {"results": tf.TensorSpec([None, width], tf.float32)}
        results = rows.computed(lambda some: {"results": compute(some)}, outputs)["results"]
    return pool(windows, results, rows.document, rows.count)  # [B, width]


class WindowRows:
    """The windows of documents, [B, W, S], as rows of a model, [R, S].

    Attributes:
      features: the rows, by the names of the model.
      document: the index of the document of each row, int32 [R]; -1 if it is no window.
      count: B.

    Args:
      features: see `of_documents`, as is the next.
      remove_padding: whether windows that do not exist are left out.
    """

    def __init__(self, features: Mapping[str, tf.Tensor], remove_padding: bool) -> None:
        self.count, self._longest = tf.unstack(tf.shape(features["input_word_ids"])[:2])  # B, W
        self._others, self.features = features, joined(features)  # each [B*W, S]
        self.document = tf.repeat(tf.range(self.count), self._longest)  # [B*W]
        self._places = tf.range(self.count * self._longest)
        if "input_mask" in self.features:
            exists = self.features["input_mask"][:, 0] > 0
            self.document = tf.where(exists, self.document, -1)
        if remove_padding:
            self._places = tf.cast(tf.where(self.document >= 0)[:, 0], tf.int32)
            self.document = tf.gather(self.document, self._places)  # [W of all documents]
            self.features = {n: tf.gather(x, self._places) for n, x in self.features.items()}

    def computed(
        self,
        compute: Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]],
        outputs: Mapping[str, tf.TensorSpec],
    ) -> dict[str, tf.Tensor]:
        """Returns what a model computes for the rows, a few at a time; see `in_parts`."""

        def of_some(*some: tf.Tensor) -> dict[str, tf.Tensor]:
            return compute({**self._others, **dict(zip(self.features, some))})

        at_once = rows_at_once(tf.shape(self.features["input_word_ids"])[1])
        return in_parts(of_some, list(self.features.values()), outputs, at_once)

    def apart(self, results: tf.Tensor) -> tf.Tensor:
        """Returns results of the rows, [R, C], as those of windows, [B, W, C]."""
        size = [self.count * self._longest, results.shape[-1]]
        flat = tf.scatter_nd(self._places[:, tf.newaxis], results, size)
        return tf.reshape(flat, [self.count, self._longest, results.shape[-1]])


def checked(windows: str) -> str:
    """Returns the value of `WINDOWS`.

    Raises:
      InputError: it is unknown.
    """
    if windows not in CHOICES:
        raise InputError(
            f"WINDOWS must be one of {', '.join(CHOICES)}. Received {str(windows)[:80]!r}. "
            f"{closest(str(windows)[:80], CHOICES)}"
        )
    return windows


@dataclasses.dataclass(frozen=True)
class TextWindowSettings:
    """How documents are cut.

    Attributes:
      windows: "mean" or "max", which pool all windows, or "first", which cuts the rest.
      seq_length: the maximum number of tokens of a window, with special tokens.
      doc_stride: the number of tokens from the start of one window to the next; None for half of
        `seq_length`.
      max_windows: the number of windows of a document that training computes.
      bucketed: see `FineTuningDataConfig`; windows make batches of different shapes.
    """

    windows: str
    seq_length: int
    doc_stride: int | None = None
    max_windows: int = MAX_WINDOWS
    bucketed: bool = True

    def __post_init__(self) -> None:
        """Raises `InputError` for the first broken rule."""
        stride, most = self.doc_stride, self.max_windows
        if checked(self.windows) == FIRST:
            if stride is not None:
                raise InputError(
                    "DOC_STRIDE needs windows. Received "
                    f"DOC_STRIDE={stride!r:.80} with WINDOWS='{FIRST}'. Set WINDOWS to mean or max."
                )
            return
        if stride is not None and not (type(stride) is int and 0 < stride < self.seq_length):
            raise InputError(
                "DOC_STRIDE must be a number of tokens below SEQ_LENGTH, or None for half of it. "
                f"Received DOC_STRIDE={stride!r:.80} with SEQ_LENGTH={self.seq_length}. Lower it."
            )
        if not self.bucketed:
            raise InputError(
                "WINDOWS makes batches of different shapes. Received BUCKETED=False with "
                f"WINDOWS={self.windows!r}. Leave one of them out."
            )
        if type(most) is not int or most < 1:
            raise InputError(
                "MAX_WINDOWS must be a whole number of windows, 1 or more. Received "
                f"{most!r:.80}. Correct it."
            )

    @property
    def stride(self) -> int:
        """The number of tokens from the start of one window to the next."""
        return self.doc_stride or max(self.seq_length // 2, 1)
