"""Metrics of entities from seqeval, which counts entities like the CoNLL evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

Tags = Sequence[Sequence[str]]


def of_tags(wanted: Tags, predicted: Tags) -> dict[str, float]:
    """Returns f1, precision and recall of entities, accuracy of words, and distinct_answers.

    An entity is correct if its type and all its words are correct. Tags may be IOB1, IOB2, IOE or
    IOBES. Tags without a prefix, such as parts of speech, have no entities; use accuracy for them.

    Args:
      wanted: the correct tags of the words of each sentence.
      predicted: the predicted tags of the words of each sentence.
    """
    from seqeval import metrics

    return {
        "f1": float(metrics.f1_score(wanted, predicted, zero_division=0)),
        "precision": float(metrics.precision_score(wanted, predicted, zero_division=0)),
        "recall": float(metrics.recall_score(wanted, predicted, zero_division=0)),
        "accuracy": float(metrics.accuracy_score(wanted, predicted)),
        "distinct_answers": float(len({tag for tags in predicted for tag in tags})),
    }


def entity_types(tags: Sequence[str]) -> tuple[str, ...]:
    """Returns the type of each entity in a sentence; none for tags without a prefix."""
    from seqeval.metrics.sequence_labeling import get_entities

    if not any("-" in tag for tag in tags):
        return ()
    return tuple(kind for kind, _, _ in get_entities(list(tags)))


def table(wanted: Tags, predicted: Tags) -> str:
    """Returns a table of precision, recall, F1 and number of entities for each type."""
    from seqeval import metrics

    return metrics.classification_report(wanted, predicted, digits=4, zero_division=0).rstrip()


def draw(wanted: Tags, predicted: Tags, labels: Sequence[str], folder: Path) -> list[Path]:
    """Writes confusion.png, the confusion matrix of words, and returns its path in a list."""
    from albert_tf.tasks.classification import metrics as classification_metrics

    index = {label: i for i, label in enumerate(labels)}
    flat = [np.array([index[tag] for tags in side for tag in tags]) for side in (wanted, predicted)]
    return [classification_metrics.draw_confusion(*flat, labels, folder)]
