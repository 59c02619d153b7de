"""The layout of GLUE's files (Wang et al. 2018) as distributed, and of its submission files.

Each task has a folder of TSV files without quoting. Labels have the order of the original
run_classifier.py, so that the outputs of its fine-tuned checkpoints keep their meaning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf.errors import InputError, closest
from albert_tf.files import existing
from albert_tf.tasks.answer_files import AnswerFile, kept_names, tsv_field


class Layout(NamedTuple):
    """The layout of a task's files.

    Attributes:
      texts: the columns of the one or two texts.
      label: the column of the label.
      labels: the labels in order; empty for numbers.
      metric: the metric of the leaderboard; if it has two, the one that the paper reports.
      submission: the name of the answer file for each test file.
      train: the file to train on.
      dev: the files to evaluate on.
      header: the column names of files without a header line.
    """

    texts: tuple[str, ...]
    label: str
    labels: tuple[str, ...]
    metric: str
    submission: dict[str, str]
    train: str = "train.tsv"
    dev: tuple[str, ...] = ("dev.tsv",)
    header: tuple[str, ...] = ()


_BINARY = ("0", "1")
_ENTAILMENT = ("entailment", "not_entailment")
_THREE = ("contradiction", "entailment", "neutral")
_PAIR = ("sentence1", "sentence2")

LAYOUTS = {
    "cola": Layout(
        ("sentence",),
        "label",
        _BINARY,
        "matthews_correlation",
        {"test.tsv": "CoLA.tsv"},
        # The test file has a header line; the others do not.
        header=("source", "label", "mark", "sentence"),
    ),
    "sst2": Layout(("sentence",), "label", _BINARY, "accuracy", {"test.tsv": "SST-2.tsv"}),
    "mrpc": Layout(
        ("#1 String", "#2 String"), "Quality", _BINARY, "accuracy", {"test.tsv": "MRPC.tsv"}
    ),
    "stsb": Layout(_PAIR, "score", (), "pearson", {"test.tsv": "STS-B.tsv"}),
    "qqp": Layout(
        ("question1", "question2"), "is_duplicate", _BINARY, "accuracy", {"test.tsv": "QQP.tsv"}
    ),
    "mnli": Layout(
        _PAIR,
        "gold_label",
        _THREE,
        "accuracy",
        {
            "test_matched.tsv": "MNLI-m.tsv",
            "test_mismatched.tsv": "MNLI-mm.tsv",
            # The diagnostic set is answered by a model for MNLI.
            "diagnostic.tsv": "AX.tsv",
        },
        dev=("dev_matched.tsv", "dev_mismatched.tsv"),
    ),
    "qnli": Layout(
        ("question", "sentence"), "label", _ENTAILMENT, "accuracy", {"test.tsv": "QNLI.tsv"}
    ),
    "rte": Layout(_PAIR, "label", _ENTAILMENT, "accuracy", {"test.tsv": "RTE.tsv"}),
    "wnli": Layout(_PAIR, "label", _BINARY, "accuracy", {"test.tsv": "WNLI.tsv"}),
}


def layout(name: str) -> Layout:
    """Returns the layout of a task.

    Raises:
      InputError: there is no such task.
    """
    if name not in LAYOUTS:
        raise InputError(f"Unknown GLUE task. Received {name!r}. {closest(name, LAYOUTS)}")
    return LAYOUTS[name]


def files(folder: Path, layout: Layout, is_training: bool) -> list[Path]:
    """Returns the files in the folder of a task to train on, or to evaluate on.

    Raises:
      InputError: a file is missing.
    """
    names = [layout.train] if is_training else layout.dev
    return [existing(folder / name, "A file of GLUE") for name in names]


class Submission(AnswerFile):
    """A submission file, which has columns for index and prediction after those that are kept.

    Several labels or numbers are a JSON list. `state` is the number of answers.

    Args:
      keep: the names in answers of columns of the input.
      clip: the largest value of numbers, of which 0 is the smallest; None for any.
    """

    START = 0

    def __init__(self, keep: Sequence[str] = (), clip: float | None = None) -> None:
        super().__init__(keep)
        self._clip = clip

    def begin(self) -> str:
        """Returns the header."""
        columns = ("index", "prediction")
        kept = map(tsv_field, kept_names(self.keep, columns))
        return "\t".join([*kept, *columns]) + "\n"

    def add(self, answers: Iterable[dict[str, Any]]) -> str:
        """Returns the next rows."""
        lines = []
        for answer in answers:
            answer = dict(answer)
            kept = [tsv_field(answer.pop(name)) for name in self.keep]
            lines.append("\t".join([*kept, str(self.state), self._prediction(answer)]) + "\n")
            self.state += 1
        return "".join(lines)

    def _prediction(self, answer: dict[str, Any]) -> str:
        if "value" in answer:
            value = answer["value"]
            return f"{value if self._clip is None else min(max(value, 0.0), self._clip):.3f}"
        if "label" in answer:
            return answer["label"]
        return json.dumps(answer.get("labels", answer.get("values")), ensure_ascii=False)
