"""Counts of instances, which can be added over blocks, shards and files.

Counts are a `Counter` with plain names, some grouped by a slash ("label/0", "ngram/2"), so that the
manifest can store them unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

BINS = 8  # The number of bins in the histogram of lengths.


def of_instances(arrays: Mapping[str, np.ndarray], mask_id: int, unk_id: int) -> Counter:
    """Returns the counts of a batch of instances.

    Args:
      arrays: the features by the original's names, [N, length] each; features of masks and the
        label are optional.
      mask_id: the id of [MASK].
      unk_id: the id of <unk>.
    """
    input_ids, input_mask = arrays["input_ids"], arrays["input_mask"]
    lengths = input_mask.sum(1)  # [N]
    width = input_ids.shape[1]
    counts = Counter(
        {
            "instances": len(input_ids),
            "tokens": int(lengths.sum()),
            "full": int((lengths == width).sum()),
            "unknown": int((input_ids == unk_id).sum()),
        }
    )
    if "masked_lm_weights" in arrays:
        counts.update(_of_masks(arrays, mask_id, unk_id))
    if "token_boundary" in arrays:
        counts["boundaries"] = int(arrays["token_boundary"].sum())
    if "next_sentence_labels" in arrays:
        labels = np.bincount(arrays["next_sentence_labels"].ravel(), minlength=2)
        counts.update({f"label/{label}": int(n) for label, n in enumerate(labels)})
    edges = np.minimum(np.arange(BINS + 1) * width // BINS, width)
    for low, high in zip(edges, edges[1:]):
        inside = (lengths > low) & (lengths <= high)
        counts[f"length/{low + 1}-{high}"] = int(inside.sum())
    return counts


def _of_masks(arrays: Mapping[str, np.ndarray], mask_id: int, unk_id: int) -> dict[str, int]:
    used = arrays["masked_lm_weights"] > 0  # [N, P]
    old = arrays["masked_lm_ids"][used]
    new = np.take_along_axis(arrays["input_ids"], arrays["masked_lm_positions"], 1)[used]
    return {
        "unknown": int(((old == unk_id) & (new != old)).sum()),
        "masked": int(used.sum()),
        "masked/[MASK]": int((new == mask_id).sum()),
        "masked/kept": int((new == old).sum()),
        "masked/random": int(((new != mask_id) & (new != old)).sum()),
    }


def group(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    """Returns the counts whose names start with `prefix`, sorted by the rest of the name."""
    chosen = {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}
    return dict(sorted(chosen.items(), key=lambda item: int(item[0].split("-")[0])))


def ratio(counts: Mapping[str, int], part: str, whole: str) -> float:
    """Returns the quotient of two counts, or 0 if the second count is 0."""
    return counts.get(part, 0) / counts[whole] if counts.get(whole) else 0.0
