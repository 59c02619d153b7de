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
    count, longest = tf.unstack(tf.shape(features["input_word_ids"])[:2])  # B, W
    rows = joined(features)  # each [B*W, S]
    document = tf.repeat(tf.range(count), longest)  # [B*W]
    if "input_mask" in rows:
        document = tf.where(rows["input_mask"][:, 0] > 0, document, -1)
    if remove_padding:
        exists = tf.where(document >= 0)[:, 0]
        document = tf.gather(document, exists)  # [W of all documents]
        rows = {name: tf.gather(x, exists) for name, x in rows.items()}
    if training:
        return pool(windows, compute({**features, **rows}), document, count)  # [B, width]

    def of_some(*some: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"results": compute({**features, **dict(zip(rows, some))})}

    outputs = {"results": tf.TensorSpec([None, width], tf.float32)}
    at_once = rows_at_once(tf.shape(rows["input_word_ids"])[1])
    results = in_parts(of_some, list(rows.values()), outputs, at_once)["results"]
    return pool(windows, results, document, count)  # [B, width]


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
