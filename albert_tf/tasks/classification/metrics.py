"""Metrics of classes, labels and numbers from scikit-learn and scipy, with tables and plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Probabilities in float32 on two devices differ less.
_APART = 1e-5


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


def of_several_numbers(
    wanted: np.ndarray, predicted: np.ndarray, names: Sequence[str]
) -> dict[str, float]:
    """Returns the metrics of several numbers for each example, [N, C] each.

    These are the means of those of each number, see `of_numbers`; distinct_answers; and
    pearson_NAME for each.
    """
    of_each = [of_numbers(*columns) for columns in zip(wanted.T, predicted.T)]
    scores = {name: float(np.mean([each[name] for each in of_each])) for name in of_each[0]}
    scores["distinct_answers"] = float(len(np.unique(predicted, axis=0)))
    return scores | {f"pearson_{name}": each["pearson"] for name, each in zip(names, of_each)}


def of_label_sets(
    wanted: np.ndarray, shares: np.ndarray, predicted: np.ndarray, labels: Sequence[str]
) -> dict[str, float]:
    """Returns the metrics of examples that have any number of labels.

    Args:
      wanted: whether an example has a label, 0 or 1, [N, C].
      shares: the probabilities of the labels, float [N, C].
      predicted: whether a label is predicted, [N, C].
      labels: the names of the labels.

    Returns:
      micro_f1, over all decisions; macro_f1, the mean over labels; average_precision, the mean over
      the labels that occur, 0 if none does; subset_accuracy, the share of examples with exactly the
      right labels; majority_subset_accuracy, that of always predicting the most frequent labels;
      distinct_answers; and f1_LABEL for each label. An F1 score without labels and predictions is
      0, as in scikit-learn.
    """
    from sklearn import metrics

    of_each = metrics.f1_score(wanted, predicted, average=None, zero_division=0.0)
    occurs = wanted.any(axis=0)
    precision = [
        metrics.average_precision_score(wanted[:, i], shares[:, i]) for i in np.flatnonzero(occurs)
    ]
    counts = np.unique(wanted, axis=0, return_counts=True)[1]
    return {
        "micro_f1": float(metrics.f1_score(wanted, predicted, average="micro", zero_division=0.0)),
        "macro_f1": float(np.mean(of_each)),
        "average_precision": float(np.mean(precision)) if precision else 0.0,
        "subset_accuracy": float(np.mean(np.all(wanted == predicted, axis=1))),
        "majority_subset_accuracy": float(counts.max() / len(wanted)),
        "distinct_answers": float(len(np.unique(predicted, axis=0))),
        **{f"f1_{label}": float(score) for label, score in zip(labels, of_each)},
    }


def best_threshold(wanted: np.ndarray, shares: np.ndarray) -> float:
    """Returns the probability above which predicting a label gives the best micro F1.

    It is half-way between two probabilities, so that rounding cannot change a decision, and the
    closest to 0.5 in case of a tie.

    Args:
      wanted: whether an example has a label, 0 or 1, [N, C].
      shares: the probabilities of the labels, float [N, C].
    """
    order = np.argsort(-shares, axis=None)
    ranked, hits = shares.ravel()[order], np.cumsum(wanted.ravel()[order], dtype=np.int64)
    scores = 2 * hits / (np.arange(1, len(hits) + 1) + max(int(hits[-1]), 1))
    middles = (ranked + np.append(ranked[1:], 0.0)) / 2
    # A threshold cannot separate probabilities that are equal or almost.
    apart = (ranked - np.append(ranked[1:], 0.0) > _APART) & (middles < 1)
    scores = np.where(apart, scores, -1.0)
    best = np.flatnonzero(scores == scores.max())
    threshold = middles[best[np.argmin(abs(middles[best] - 0.5))]]
    return float(threshold) if scores.max() > 0 else 0.5


def label_table(wanted: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> str:
    """Returns a table of precision, recall, F1 and count by label, from 0 and 1, [N, C] each."""
    from sklearn import metrics

    scores = metrics.precision_recall_fscore_support(
        wanted, predicted, average=None, zero_division=0.0
    )
    return "\n".join(_score_lines(labels, scores))


def warnings_of_recall(
    wanted: np.ndarray, predicted: np.ndarray, labels: Sequence[str], remedy: str
) -> str:
    """Returns lines on the labels of which no example was found, "" for none.

    Args:
      wanted: 0 and 1, [N, C].
      predicted: 0 and 1, [N, C].
      labels: the names of the labels.
      remedy: what to do about it.
    """
    counts, found = wanted.sum(axis=0), (wanted * predicted).sum(axis=0)
    lines = [
        f"WARNING: the recall of {label!r} is 0: none of {int(count):,} example(s) was found. "
        f"{remedy}"
        for label, count, hits in zip(labels, counts, found)
        if count and not hits
    ]
    return "\n\n" + "\n".join(lines) if lines else ""


def _score_lines(labels: Sequence[str], scores: Sequence[np.ndarray]) -> list[str]:
    """Returns the lines of a table of precision, recall, F1 and count by label."""
    width = max(5, *map(len, labels))
    lines = [f"{'':{width}} precision   recall       f1    count"]
    for label, precision, recall, f1, count in zip(labels, *scores):
        lines.append(f"{label:{width}} {precision:9.4f}{recall:9.4f}{f1:9.4f}{int(count):9,}")
    return lines


def confusion_table(wanted: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> str:
    """Returns tables of precision, recall, F1 and count by class, and of confused classes."""
    from sklearn import metrics

    classes = np.arange(len(labels))
    scores = metrics.precision_recall_fscore_support(
        wanted, predicted, labels=classes, zero_division=0.0
    )
    counts = metrics.confusion_matrix(wanted, predicted, labels=classes)
    width = max(5, *map(len, labels))
    lines = _score_lines(labels, scores)
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

        from albert_tf.tasks.results import figure

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

    from albert_tf.tasks.results import figure

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


def draw_label_sets(wanted: np.ndarray, shares: np.ndarray, folder: Path) -> list[Path]:
    """Writes precision_recall.png, over all decisions, and returns its path in a list.

    Nothing is written if no example, or each, has every label.
    """
    if len(np.unique(wanted)) < 2:
        return []
    from sklearn import metrics

    from albert_tf.tasks.results import figure

    path = folder / "precision_recall.png"
    with figure(path) as axes:
        metrics.PrecisionRecallDisplay.from_predictions(
            wanted.ravel(), shares.ravel(), name="all labels", ax=axes
        )
    return [path]


def draw_numbers(wanted: np.ndarray, predicted: np.ndarray, folder: Path) -> list[Path]:
    """Writes scatter.png, which plots answers over labels, and returns its path in a list."""
    from albert_tf.tasks.results import figure

    path = folder / "scatter.png"
    with figure(path) as axes:
        axes.scatter(wanted, predicted, s=6, alpha=0.5)
        axes.set(xlabel="label", ylabel="answer")
    return [path]
