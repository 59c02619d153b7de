"""Metrics of classification and regression from scikit-learn and scipy, with tables and plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def of_classes(wanted: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Returns the metrics of classification.

    Args:
      wanted: the indices of the correct classes, int [N].
      logits: float [N, C].

    Returns:
      accuracy; f1, which is that of class 1 for two classes (as in GLUE), otherwise the mean over
      classes; matthews_correlation; majority_accuracy, the share of the most frequent label; and
      distinct_answers, the number of classes that were predicted.
    """
    from sklearn import metrics

    predicted = logits.argmax(axis=-1)
    average = "binary" if logits.shape[-1] == 2 else "macro"
    return {
        "accuracy": float(metrics.accuracy_score(wanted, predicted)),
        "f1": float(metrics.f1_score(wanted, predicted, average=average, zero_division=0.0)),
        "matthews_correlation": float(metrics.matthews_corrcoef(wanted, predicted)),
        "majority_accuracy": float(np.bincount(wanted).max() / len(wanted)),
        "distinct_answers": float(len(np.unique(predicted))),
    }


def of_numbers(wanted: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Returns pearson, spearman, mean_squared_error and distinct_answers of numbers, [N] each.

    If all labels or all answers are the same, the correlations are 0.
    """
    from scipy import stats

    constant = np.ptp(predicted) == 0 or np.ptp(wanted) == 0
    return {
        "pearson": 0.0 if constant else float(stats.pearsonr(wanted, predicted)[0]),
        "spearman": 0.0 if constant else float(stats.spearmanr(wanted, predicted)[0]),
        "mean_squared_error": float(np.mean(np.square(wanted - predicted))),
        "distinct_answers": float(len(np.unique(predicted))),
    }


def confusion_table(wanted: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> str:
    """Returns tables of precision, recall, F1 and count by class, and of confused classes."""
    from sklearn import metrics

    classes = np.arange(len(labels))
    scores = metrics.precision_recall_fscore_support(
        wanted, predicted, labels=classes, zero_division=0.0
    )
    counts = metrics.confusion_matrix(wanted, predicted, labels=classes)
    width = max(5, *map(len, labels))
    head = f"{'':{width}} precision   recall       f1    count"
    lines = [head]
    for label, precision, recall, f1, count in zip(labels, *scores):
        lines.append(f"{label:{width}} {precision:9.4f}{recall:9.4f}{f1:9.4f}{int(count):9,}")
    columns = [max(len(label), len(str(counts.max()))) for label in labels]
    lines += ["", "rows: the label; columns: the answer"]
    cells = "  ".join(f"{label:>{size}}" for label, size in zip(labels, columns))
    lines.append(f"{'':{width}} {cells}")
    for label, row in zip(labels, counts):
        cells = "  ".join(f"{int(count):>{size}}" for count, size in zip(row, columns))
        lines.append(f"{label:{width}} {cells}")
    return "\n".join(lines)


def draw_classes(
    wanted: np.ndarray, logits: np.ndarray, labels: Sequence[str], folder: Path
) -> list[Path]:
    """Writes confusion.png and, for two classes, precision_recall.png, and returns the paths."""
    paths = [draw_confusion(wanted, logits.argmax(axis=-1), labels, folder)]
    if len(labels) == 2 and len(np.unique(wanted)) == 2:
        from sklearn import metrics

        from albert_tf.tasks.plots import figure

        paths.append(folder / "precision_recall.png")
        with figure(paths[1]) as axes:
            metrics.PrecisionRecallDisplay.from_predictions(
                wanted, logits[:, 1] - logits[:, 0], name=labels[1], ax=axes
            )
    return paths


def draw_confusion(
    wanted: np.ndarray, predicted: np.ndarray, labels: Sequence[str], folder: Path
) -> Path:
    """Writes confusion.png from labels and answers, indices [N] each, and returns its path."""
    from sklearn import metrics

    from albert_tf.tasks.plots import figure

    path = folder / "confusion.png"
    size = min(3 + 0.5 * len(labels), 16)
    with figure(path, (size + 1, size)) as axes:
        metrics.ConfusionMatrixDisplay.from_predictions(
            wanted,
            predicted,
            labels=np.arange(len(labels)),
            display_labels=labels,
            xticks_rotation="vertical",
            colorbar=False,
            ax=axes,
        )
    return path


def draw_numbers(wanted: np.ndarray, predicted: np.ndarray, folder: Path) -> list[Path]:
    """Writes scatter.png, which plots answers over labels, and returns its path in a list."""
    from albert_tf.tasks.plots import figure

    path = folder / "scatter.png"
    with figure(path) as axes:
        axes.scatter(wanted, predicted, s=6, alpha=0.5)
        axes.set(xlabel="label", ylabel="answer")
    return [path]
