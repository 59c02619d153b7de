"""The losses of vectors that are compared by their cosine.

Axes: B examples of this part of a batch, G of the whole batch, C texts of an example (an anchor,
its positive and, if C is 3, its hard negative), D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

_NONE = -1e9  # The score of a candidate that is left out.


def contrastive(
    vectors: tf.Tensor,
    texts: tf.Tensor,
    all_vectors: tf.Tensor,
    all_texts: tf.Tensor,
    temperature: float,
) -> tf.Tensor:
    """Returns the cross entropy of finding the positive of each anchor, float32 [B].

    The candidates are its positive, and the positives and hard negatives of the whole batch, which
    are compared by cosine over temperature (InfoNCE, van den Oord et al. 2018). A candidate is left
    out if its text is that of the anchor, or belongs to it by any example of the whole batch: it
    would be a wrong negative. Texts that are related by way of other texts only are negatives. In
    data such as texts and their topics, these connect nearly everything.

    Args:
      vectors: float32 [B, C, D]; with C of 1, a text is its own positive.
      texts: a number for each text, the same for the same text; -1 for no text; int32 [B, C].
      all_vectors: those of the whole batch, float32 [G, C, D].
      all_texts: those of the whole batch, int32 [G, C].
      temperature: see above.
    """
    anchors, positives = unit(vectors[:, 0]), unit(_positives(vectors))  # [B, D]
    own = tf.reduce_sum(anchors * positives, axis=-1) / temperature  # [B]
    anchor, name = texts[:, 0], _positives(all_texts)  # [B], [G]
    candidates = _positives(all_vectors)
    if vectors.shape[1] == 3:
        name = tf.concat([name, all_texts[:, 2]], axis=0)  # [2*G]
        candidates = tf.concat([candidates, all_vectors[:, 2]], axis=0)
    wrong = _same(anchor, name) | _paired(anchor, name, all_texts) | (name < 0)  # [B, G or 2*G]
    others = tf.matmul(anchors, unit(candidates), transpose_b=True)
    others = tf.reduce_logsumexp(tf.where(wrong, _NONE, others / temperature), axis=-1)  # [B]
    return tf.nn.softplus(others - own)


def squared(vectors: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Returns the squared errors of the cosines of pairs, float32 [B].

    Args:
      vectors: float32 [B, 2, D].
      targets: float32 [B].
    """
    cosines = tf.reduce_sum(unit(vectors[:, 0]) * unit(vectors[:, 1]), axis=-1)  # [B]
    return tf.square(cosines - targets)


def of_sizes(loss: Callable[[int | None], tf.Tensor], sizes: Sequence[int]) -> tf.Tensor:
    """Returns the mean of a loss over sizes of truncated vectors (Kusupati et al. 2022), [B].

    Args:
      loss: returns the loss, [B], of vectors that are cut to a size; None for whole vectors.
      sizes: the sizes; none for whole vectors.
    """
    return tf.add_n([loss(size) for size in sizes or [None]]) / len(sizes or [None])


def unit(vectors: tf.Tensor) -> tf.Tensor:
    """Divides vectors by their length."""
    return tf.math.l2_normalize(vectors, axis=-1, epsilon=1e-24)


def _same(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Returns which texts are equal, bool [M, N], from their numbers, [M] and [N]."""
    return tf.equal(first[:, tf.newaxis], second)


def _paired(first: tf.Tensor, second: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """Returns which texts are the anchor and the positive of an example, in any order, bool [M, N].

    Args:
      first: the numbers of texts, int32 [M].
      second: the numbers of texts that are in `pairs`, int32 [N].
      pairs: the numbers of the texts of examples, int32 [G, C].
    """
    ends = pairs[:, 0], _positives(pairs)  # [G] each
    ordered = tf.sort(tf.reshape(pairs, [-1]))  # [G*C]
    places = tf.searchsorted(ordered, second)  # The same for the same text, [N].
    ways = []
    for one, other in (ends, ends[::-1]):
        partners = tf.math.unsorted_segment_max(
            tf.cast(_same(one, first), tf.int8),
            tf.searchsorted(ordered, other),
            tf.size(ordered),
        )  # [G*C, M]
        ways.append(tf.gather(partners, places) > 0)  # [N, M]
    return tf.transpose(ways[0] | ways[1])  # [M, N]


def _positives(values: tf.Tensor) -> tf.Tensor:
    """Returns the entries of the second text of examples, or of the only one."""
    return values[:, min(1, values.shape[1] - 1)]
