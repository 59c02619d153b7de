"""Metrics of entities from seqeval, which counts entities like the CoNLL evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from albert_tf.tasks.tagging import schemes

Tags = Sequence[Sequence[str]]


def of_tags(wanted: Tags, predicted: Tags, scheme: str = "") -> dict[str, float]:
    """Returns f1, precision and recall of entities, accuracy of words, and distinct_answers.

    An entity is correct if its type and all its words are correct. Tags may be of any scheme.
    `strict_f1` counts only entities that keep the rules of the scheme, as seqeval's strict mode.
    Tags without a prefix, such as parts of speech, have no entities; use accuracy for them.

    Args:
      wanted: the correct tags of the words of each sentence.
      predicted: the predicted tags of the words of each sentence.
      scheme: their scheme; that of the tags by default.
    """
    from seqeval import metrics
    from seqeval import scheme as strict_schemes

    sides = _without_twins(wanted), _without_twins(predicted)
    labels = {tag for tags in (*wanted, *predicted) for tag in tags}
    answers = {
        "f1": float(metrics.f1_score(*sides, zero_division=0)),
        "precision": float(metrics.precision_score(*sides, zero_division=0)),
        "recall": float(metrics.recall_score(*sides, zero_division=0)),
        "accuracy": float(metrics.accuracy_score(wanted, predicted)),
        "distinct_answers": float(len({tag for tags in predicted for tag in tags})),
    }
    name = scheme or schemes.of_labels(labels)
    known = set(map(schemes.split, schemes.all_labels({schemes.split(t)[1] for t in labels}, name)))
    if name and all(tag == schemes.OUTSIDE or schemes.split(tag) in known for tag in labels):
        strict = dict(mode="strict", scheme=getattr(strict_schemes, name), zero_division=0)
        answers["strict_f1"] = float(metrics.f1_score(wanted, predicted, **strict))
    return answers


def entity_types(tags: Sequence[str]) -> tuple[str, ...]:
    """Returns the type of each entity in a sentence; none for tags without a prefix."""
    from seqeval.metrics.sequence_labeling import get_entities

    if not any("-" in tag for tag in tags):
        return ()
    return tuple(kind for kind, _, _ in get_entities(list(tags)))


def table(wanted: Tags, predicted: Tags) -> str:
    """Returns a table of precision, recall, F1 and number of entities for each type."""
    from seqeval import metrics

    sides = _without_twins(wanted), _without_twins(predicted)
    return metrics.classification_report(*sides, digits=4, zero_division=0).rstrip()


def _without_twins(tags: Tags) -> list[list[str]]:
    """Returns tags of BILOU as IOBES, the only name of this scheme that seqeval's default knows."""
    twins = {"U": "S", "L": "E"}
    return [[twins.get(schemes.split(t)[0], t[:1]) + t[1:] for t in row] for row in tags]


def draw(wanted: Tags, predicted: Tags, labels: Sequence[str], folder: Path) -> list[Path]:
    """Writes confusion.png, the confusion matrix of words, and returns its path in a list."""
    from albert_tf.tasks.classification import metrics as classification_metrics

    index = {label: i for i, label in enumerate(labels)}
    flat = [np.array([index[tag] for tags in side for tag in tags]) for side in (wanted, predicted)]
    return [classification_metrics.draw_confusion(*flat, labels, folder)]
