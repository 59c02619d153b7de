"""Scores of entities, from seqeval, which counts as the CoNLL evaluation does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

Tags = Sequence[Sequence[str]]


def of_tags(wanted: Tags, found: Tags) -> dict[str, float]:
    """Returns f1, precision and recall of entities, accuracy of words, and distinct_answers.

    An entity counts if its type and all of its words are right. The tags are IOB1, IOB2, IOE or
    IOBES. Tags without a prefix, such as parts of speech, have no entities; look at the accuracy.

    Args:
      wanted: tags of the words of each sentence.
      found: likewise, as a model gave them.
    """
    from seqeval import metrics

    return {
        "f1": float(metrics.f1_score(wanted, found, zero_division=0)),
        "precision": float(metrics.precision_score(wanted, found, zero_division=0)),
        "recall": float(metrics.recall_score(wanted, found, zero_division=0)),
        "accuracy": float(metrics.accuracy_score(wanted, found)),
        "distinct_answers": float(len({tag for tags in found for tag in tags})),
    }


def table(wanted: Tags, found: Tags) -> str:
    """Returns precision, recall, F1 and number of the entities of each type."""
    from seqeval import metrics

    return metrics.classification_report(wanted, found, digits=4, zero_division=0).rstrip()


def draw(wanted: Tags, found: Tags, labels: Sequence[str], folder: Path) -> list[Path]:
    """Writes confusion.png: tags of words, and what they were taken for; returns its path."""
    from albert_tf.tasks.classification import metrics as classification_metrics

    index = {label: i for i, label in enumerate(labels)}
    flat = [np.array([index[tag] for tags in side for tag in tags]) for side in (wanted, found)]
    return [classification_metrics.draw_confusion(*flat, labels, folder)]
