"""`FillMaskTask`: predicts the most likely pieces for each [MASK] in a text."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from albert_tf.data import tables
from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fill_mask.model import AlbertMaskedLM
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, FineTuningDataConfig

MASK = "[MASK]"


class Text(NamedTuple):
    """A text, its place in the file, and the texts of the columns that are kept."""

    where: str
    text: str
    kept: tuple[str, ...] = ()


class Masked(NamedTuple):
    """A text, its ids, and the positions of masks in the ids."""

    text: str
    ids: list[int]
    positions: list[int]


@dataclasses.dataclass
class FillMaskConfig(FineTuningConfig):
    """The config of `FillMaskTask`.

    Attributes:
      text: the column of the text in tables.
      top_k: the number of fillings for each mask.
    """

    text: str = "text"
    top_k: int = 5


class FillMaskTask(FineTuningTask):
    """Predicts pieces for masks with a pretrained model; it has no training of its own.

    A text may have any number of masks. Each is filled independently of the others.
    """

    MODEL = AlbertMaskedLM
    UNIT = "text"
    KEEPS_COLUMNS = True
    SETTINGS = ("text",)

    @classmethod
    def config_class(cls) -> type[FillMaskConfig]:
        """Returns `FillMaskConfig`."""
        return FillMaskConfig

    def describe(self) -> TaskDescription:
        """Returns the task with the column of the text."""
        return TaskDescription("fill_mask", settings={"text": self.task_config.text})

    def rows(
        self, params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> Iterator[Text]:
        """Yields texts; see `TaskFiles.rows`.

        Raises:
          InputError: also if no text has a [MASK] within the maximum sequence length.
        """
        self._check_masks(params)
        yield from self._texts(params, report)

    def _texts(self, params: FineTuningDataConfig, report: RowReport) -> Iterator[Text]:
        column, paths = self.task_config.text, self.paths(params)
        self.check_kept(paths, [column])
        columns = list(dict.fromkeys([column, *self.keep_columns]))
        for path in paths:
            for where, fields in tables.read(path, columns, report=report, to_predict=True):
                kept = tuple([fields[name] for name in self.keep_columns])
                yield Text(where, fields[column], kept)

    def _check_masks(self, params: FineTuningDataConfig) -> None:
        first = None
        for row in self._texts(params, self.new_report(False)):
            if MASK in row.text and self._masked(row.text, params.seq_length).positions:
                return
            first = first or row
        if first:
            raise InputError(
                f"A text must have a {MASK} to fill within its first {params.seq_length} tokens. "
                f"Received {first.where}: {first.text[:60]!r}, and no other text with a {MASK}."
            )

    def encode(
        self, rows: Sequence[Text], params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> EncodedExamples:
        """Tokenises texts; one without a mask is answered without fillings."""
        texts = [self._masked(row.text, params.seq_length) for row in rows]
        for row, masked in zip(rows, texts):
            if not masked.positions:
                report.remark(f"have no {MASK} within {params.seq_length} tokens", row.where)
        positions = np.zeros([len(texts), max((len(t.positions) for t in texts), default=0)], int)
        for index, masked in enumerate(texts):
            positions[index, : len(masked.positions)] = masked.positions
        labels = {"masked_lm_positions": positions.astype(np.int32)}
        return EncodedExamples(
            [masked.ids for masked in texts], labels=labels, sources=texts, report=report
        )

    def _masked(self, text: str, seq_length: int) -> Masked:
        tokenizer = self.tokenizer
        first, *others = tokenizer.encode_batch(text.split(MASK))
        ids = [*first]
        for part in others:
            ids += [tokenizer.mask_id, *part]
        ids = [tokenizer.cls_id, *ids[: seq_length - 2], tokenizer.sep_id]
        positions = [index for index, token in enumerate(ids) if token == tokenizer.mask_id]
        return Masked(text, ids, positions)

    def losses(self, labels: Tensors, outputs: Any) -> tf.Tensor:
        """Raises `InputError`, because this task cannot be trained."""
        raise InputError(
            "A model for fill_mask is trained by pretraining only. Received a fill_mask task to "
            "train. Run a pretraining recipe instead."
        )

    def kept(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the most likely pieces at each position: `ids` and `shares`, [B, P, K]."""
        logits = outputs[..., : self.tokenizer.vocab_size]  # A padded table has more rows.
        shares, ids = tf.math.top_k(tf.nn.softmax(logits), self.task_config.top_k)
        return {"ids": ids, "shares": shares}

    @property
    def metric(self) -> str:
        """Empty, because texts to fill have no labels."""
        return ""

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns no metrics, because texts to fill have no labels."""
        return {}

    def answers(self, examples: EncodedExamples, outputs: Outputs) -> Iterator[dict[str, Any]]:
        """Yields `text`, `filled`, the text with the most likely pieces, and `fillings` by mask.

        A piece that starts a word has the prefix "▁".
        """
        for example, ids, shares in zip(outputs.examples, outputs["ids"], outputs["shares"]):
            masked = examples.sources[example]
            filled = np.array(masked.ids)
            filled[masked.positions] = ids[: len(masked.positions), 0]
            yield {
                "text": masked.text,
                "filled": self.tokenizer.decode(filled),
                "fillings": [
                    [
                        {"piece": self.tokenizer.pieces[i], "probability": float(share)}
                        for i, share in zip(ids[n], shares[n])
                    ]
                    for n in range(len(masked.positions))
                ],
            }

    def columns(self) -> dict[str, Any]:
        """Returns the columns of answers in tables, with `fillings` as JSON."""
        return {"text": str, "filled": str, "fillings": str}

    def table_rows(self, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yields the answer."""
        yield {**answer, "fillings": json.dumps(answer["fillings"], ensure_ascii=False)}
