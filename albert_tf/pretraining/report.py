"""Reports pretraining metrics next to the scores of trivial baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping


def interval95(share: float, examples: float) -> float:
    """Returns the half width of the 95 % confidence interval of a share measured on `examples`."""
    return 1.96 * math.sqrt(max(share * (1.0 - share), 0.0) / max(examples, 1.0))


def table(metrics: Mapping[str, float], vocab_size: int) -> str:
    """Returns the pretraining metrics as lines of text, each next to its baseline.

    Args:
      metrics: the evaluation metrics of `PretrainingTask`; those of sentence order are optional.
      vocab_size: the vocabulary size of the model.
    """
    rows = [
        ("mlm_loss", math.log(vocab_size), "ln(vocabulary)"),
        ("mlm_accuracy", metrics["mlm_unigram_accuracy"], "unigram"),
    ]
    if "sop_accuracy" in metrics:
        half = interval95(metrics["sop_accuracy"], metrics["sop_examples"])
        majority = f"majority class; 95 % interval of sop_accuracy +/- {half:.4f}"
        rows += [
            ("sop_loss", math.log(2.0), "ln(2)"),
            ("sop_accuracy", metrics["sop_majority_accuracy"], majority),
        ]
    lines = [f"{'metric':<14}{'model':>9}{'baseline':>10}  baseline description"]
    lines += [f"{n:<14}{metrics[n]:>9.4f}{base:>10.4f}  {what}" for n, base, what in rows]
    return "\n".join(lines)
