"""Counts over instances, which add up over blocks, shards and files, and the report of them.

Counts are a `Counter` with plain names, some grouped by a slash ("label/0", "ngram/2"), so that a
manifest stores them as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

BINS = 8  # of the histogram of lengths


def of_instances(arrays: Mapping[str, np.ndarray], mask_id: int, unk_id: int) -> Counter:
    """Returns the counts of a batch of instances.

    Args:
      arrays: the features by their names in records, [N, length] each; those of masks and the
        label may be left out.
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
            "boundaries": int(arrays["token_boundary"].sum()),
            "unknown": int((input_ids == unk_id).sum()),
        }
    )
    if "masked_lm_weights" in arrays:
        counts.update(_of_masks(arrays, mask_id, unk_id))
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


def report(counts: Mapping[str, int]) -> str:
    """Returns the counts as lines to read: shares beside what the rules aim at."""
    counts = Counter(counts)
    lines = []

    def line(name: str, value: str) -> None:
        lines.append(f"{name:<24}{value}")

    if counts["documents"]:
        line("documents", f"{counts['documents']:,}")
        line("sentences", f"{counts['sentences']:,}")
        line("tokens of text", f"{counts['text_tokens']:,}")
    for name, count in sorted(counts.items()):
        if name.startswith("dropped/") or name == "one sentence, split":
            line("documents", f"{count:,} {name.replace('dropped/', 'dropped: ')}")
    line("instances", f"{counts['instances']:,}")
    line("tokens", f"{counts['tokens']:,}, {_ratio(counts, 'tokens', 'instances'):.1f} an instance")
    line("unknown tokens", f"{_ratio(counts, 'unknown', 'tokens'):.4%}")
    line("begin a word", f"{_ratio(counts, 'boundaries', 'tokens'):.1%} of the tokens")
    if not counts["masked"]:
        line("masked", "when the records are read")
    else:
        line("masked", f"{_ratio(counts, 'masked', 'tokens'):.2%} of the tokens")
        for name, aim in (("[MASK]", "80"), ("random", "10"), ("kept", "10")):
            share = f"{_ratio(counts, f'masked/{name}', 'masked'):.2%}"
            line(f"  {name}", share if counts["permuted"] else f"{share} (aim {aim} %)")
    if counts["permuted"]:
        line("  permuted", f"{counts['permuted']:,}, counted as random or kept")
    _group(counts, "ngram/", "runs of words masked", lines)
    if counts["label/0"] + counts["label/1"]:
        shares = " : ".join(f"{_ratio(counts, f'label/{n}', 'instances'):.2%}" for n in (0, 1))
        line("label 0 : label 1", f"{shares} (aim 50 : 50)")
    _group(counts, "length/", "lengths", lines)
    return "\n".join(lines)


def _ratio(counts: Mapping[str, int], part: str, whole: str) -> float:
    return counts[part] / counts[whole] if counts[whole] else 0.0


def _group(counts: Mapping[str, int], prefix: str, title: str, lines: list[str]) -> None:
    """Adds a line for each count of a group, with its share and a bar."""
    group = {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}
    total = sum(group.values())
    if not total:
        return
    lines.append(title)
    for name, n in sorted(group.items(), key=lambda item: int(item[0].split("-")[0])):
        lines.append(f"  {name:<22}{n / total:6.1%} {'#' * round(40 * n / total)}".rstrip())
