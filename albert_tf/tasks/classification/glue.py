"""The files of GLUE (Wang et al. 2018) as they are distributed, and where answers go.

Each task has a folder of TSV files without quoting. Labels stand in the order of the original
run_classifier.py, so that its fine-tuned checkpoints keep their meaning.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from albert_tf.errors import InputError, closest
from albert_tf.files import existing


class Layout(NamedTuple):
    """How the files of a task are laid out.

    Attributes:
      texts: columns of the one or two texts.
      label: column of the label.
      labels: in their order; empty for numbers.
      metric: the score of the leaderboard; where it has two, the one that the paper reports.
      submission: name of the answer file for each test file.
      train: file to train on.
      dev: files to evaluate on.
      header: columns of files that do not begin with them.
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
        # The test file begins with names; the others do not.
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
        raise InputError(f"A GLUE task must be known. Received {name!r}. {closest(name, LAYOUTS)}")
    return LAYOUTS[name]


def files(folder: Path, found: Layout, is_training: bool) -> list[Path]:
    """Returns the files to train on or to evaluate on in the folder of a task.

    Raises:
      InputError: one is missing.
    """
    names = [found.train] if is_training else found.dev
    return [existing(folder / name, "A file of GLUE") for name in names]


def submission(answers: list[str | float]) -> str:
    """Returns the text of an answer file: index and prediction."""
    lines = ["index\tprediction"]
    for index, answer in enumerate(answers):
        text = answer if isinstance(answer, str) else f"{answer:.3f}"
        lines.append(f"{index}\t{text}")
    return "\n".join(lines) + "\n"
