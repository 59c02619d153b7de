"""The config of `EmbeddingTask`, and what its files hold."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

from albert_tf.errors import InputError, closest
from albert_tf.tasks.fine_tuning_config import FineTuningConfig
from albert_tf.tasks.text_windows import FIRST

PAIRS, SCORES, NLI, TEXTS = OBJECTIVES = ("pairs", "scores", "nli", "texts")


@dataclasses.dataclass
class EmbeddingConfig(FineTuningConfig):
    """The config of `EmbeddingTask`.

    Attributes:
      objective: what a row of the training data is: "pairs" of texts that belong together,
        optionally with a hard negative; pairs with "scores"; "nli", a premise, a hypothesis and a
        label; or single "texts". "" for prediction.
      text: the column of the text, or of the first text.
      second_text: the column of the second text of a row.
      negative: for pairs, the column of a text that does not belong to the first one, a hard
        negative; "" for none.
      label: the column of the score, or of the label.
      entailment: for nli, the label of hypotheses that are positives.
      contradiction: for nli, the label of hypotheses that are hard negatives.
      score_range: the lowest and the highest score, which stand for the cosines 0 and 1.
      eval_objective: what a row of the evaluation data is; "" for the same as in training. The next
        three are its columns, "" for those of training.
      eval_text: see above.
      eval_second_text: see above.
      eval_label: see above.
      header: the names of the columns, for files without a header line.
      skip_broken_rows: whether to leave out rows without a text or with an invalid score, instead
        of stopping with an error.
      temperature: what cosines are divided by before the softmax; 0.05 as in SimCSE (Gao et al.
        2021) and sentence-transformers.
      matryoshka: the sizes of truncated vectors that are trained too, from the largest to the
        smallest (Kusupati et al. 2022); the loss is the mean of theirs. [] for whole vectors only.
      pooling: see `AlbertEmbedder`; "" for that of the initial weights, or "mean".
      normalize: whether to divide each vector by its length, if the initial weights do not.
      prompt: what prediction puts before each text; not stored by a training.
      windows: what prediction reads of texts that are longer than `seq_length`: "first", what fits
        into one row; or all windows of their tokens, whose vectors are pooled by "mean" or "max".
        Training reads what fits into one row.
      doc_stride: the number of tokens from the start of one window to the next; None for half of
        `seq_length`.
    """

    objective: str = ""
    text: str = "text"
    second_text: str = "second_text"
    negative: str = ""
    label: str = "label"
    entailment: str = "entailment"
    contradiction: str = "contradiction"
    score_range: list[float] = dataclasses.field(default_factory=lambda: [0.0, 5.0])
    eval_objective: str = ""
    eval_text: str = ""
    eval_second_text: str = ""
    eval_label: str = ""
    header: list[str] = dataclasses.field(default_factory=list)
    skip_broken_rows: bool = False
    temperature: float = 0.05
    matryoshka: list[int] = dataclasses.field(default_factory=list)
    pooling: str = ""
    normalize: bool = False
    prompt: str = ""
    windows: str = FIRST
    doc_stride: int | None = None


class Layout(NamedTuple):
    """What a row of a file is, and the names of its columns; see `EmbeddingConfig`."""

    objective: str
    text: str
    second_text: str
    negative: str
    label: str

    @classmethod
    def of(cls, config: EmbeddingConfig, is_training: bool) -> Layout:
        """Returns the layout of the training or of the evaluation data.

        Raises:
          InputError: an objective is unknown.
        """
        for macro, name in (
            ("OBJECTIVE", config.objective),
            ("EVAL_OBJECTIVE", config.eval_objective or config.objective),
        ):
            if name not in OBJECTIVES:
                raise InputError(
                    f"{macro} must say what a row of the data is. Received {name!r:.80}. "
                    f"{closest(str(name)[:80], OBJECTIVES)}"
                )
        if is_training:
            texts = config.text, config.second_text, config.negative
            return cls(config.objective, *texts, config.label)
        return cls(
            config.eval_objective or config.objective,
            config.eval_text or config.text,
            config.eval_second_text or config.second_text,
            "",  # Evaluations rank all positives.
            config.eval_label or config.label,
        )

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns of the texts of a row."""
        if self.objective == TEXTS:
            return (self.text,)
        negative = (self.negative,) if self.objective == PAIRS and self.negative else ()
        return (self.text, self.second_text, *negative)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row must have."""
        label = (self.label,) if self.objective in (SCORES, NLI) else ()
        return tuple(dict.fromkeys((*self.texts, *label)))


def check(config: EmbeddingConfig) -> None:
    """Raises `InputError` if a setting of a training is invalid by itself."""
    is_number = isinstance(config.temperature, (int, float)) and config.temperature > 0
    if not is_number or not math.isfinite(config.temperature):
        raise InputError(
            "TEMPERATURE must be a positive number. Received "
            f"{config.temperature!r:.80}. Set it to such as 0.05."
        )
    for names in (Layout.of(config, True).texts, Layout.of(config, False).texts):
        if len(set(names)) < len(names):
            raise InputError(
                "The texts of a row must be in columns of their own, as a text tells nothing about "
                f"itself. Received {', '.join(names)}. Correct TEXT, SECOND_TEXT or NEGATIVE, or "
                "those of the evaluation."
            )
    size = config.train_data.global_batch_size
    if Layout.of(config, True).objective != SCORES and size < 2:
        raise InputError(
            "The other rows of a batch are the negatives of a row, so a batch needs at least two. "
            f"Received BATCH_SIZE={size}. Raise BATCH_SIZE."
        )
    if config.eval_fraction and Layout.of(config, False) != Layout.of(config, True)._replace(
        negative=""
    ):
        raise InputError(
            "EVAL_FRACTION holds out rows of TRAIN_DATA, which have its layout. Received "
            f"EVAL_FRACTION={config.eval_fraction} with EVAL_OBJECTIVE="
            f"{config.eval_objective!r:.80} or other columns for the evaluation. Leave one out."
        )


def check_sizes(sizes: list[int], width: int) -> None:
    """Raises `InputError` unless the sizes descend and fit into vectors of `width` numbers."""
    are_sizes = isinstance(sizes, (list, tuple)) and all(type(size) is int for size in sizes)
    if not are_sizes or any(a <= b for a, b in zip([width + 1, *sizes], [*sizes, 0])):
        raise InputError(
            f"DIMENSIONS must be sizes of vectors, from the largest to the smallest, each at most "
            f"{width}, that of the model. Received {sizes!r:.200}. Set it to such as "
            f"[{width},{max(width // 4, 1)}]."
        )


def score_range(config: EmbeddingConfig) -> tuple[float, float]:
    """Returns the lowest and the highest score.

    Raises:
      InputError: they are not two finite numbers in ascending order.
    """
    limits = config.score_range
    is_pair = isinstance(limits, (list, tuple)) and len(limits) == 2
    if not is_pair or not all(
        type(limit) in (int, float) and math.isfinite(limit) for limit in limits
    ):
        limits = (0, 0)
    low, high = map(float, limits)
    if low >= high:
        raise InputError(
            "SCORE_RANGE must be the lowest and the highest score. Received "
            f"{config.score_range!r:.80}. Set it to such as [0, 5]."
        )
    return low, high
