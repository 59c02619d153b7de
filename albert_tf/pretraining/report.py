"""Pretraining metrics beside what a model without any knowledge scores."""

from __future__ import annotations

import math
from collections.abc import Mapping


def interval95(share: float, examples: float) -> float:
    """Returns the half width of the 95 % interval of a share measured on so many examples."""
    return 1.96 * math.sqrt(max(share * (1.0 - share), 0.0) / max(examples, 1.0))


def table(metrics: Mapping[str, float], vocab_size: int) -> str:
    """Returns the pretraining metrics as lines of text, each beside its baseline.

    Args:
      metrics: those of `tasks.pretraining.PretrainingTask` in evaluation; without sentence order,
        those of masked tokens.
      vocab_size: of the model.
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
    lines = [f"{'metric':<14}{'model':>9}{'baseline':>10}  what the baseline is"]
    lines += [f"{n:<14}{metrics[n]:>9.4f}{base:>10.4f}  {what}" for n, base, what in rows]
    return "\n".join(lines)
