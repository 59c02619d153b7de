"""`EmbeddingTask`: a vector for each text of a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from albert_tf.data import tables
from albert_tf.data.row_report import RowReport
from albert_tf.embedding_settings import EmbeddingSettings
from albert_tf.errors import InputError
from albert_tf.task_types import EMBEDDING, TaskDescription
from albert_tf.tasks.answer_files import AnswerFile
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.embedding.model import AlbertEmbedder
from albert_tf.tasks.embedding.vector_files import VECTORS
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, FineTuningDataConfig
from albert_tf.tasks.text_windows import FIRST, TextWindowSettings
from albert_tf.tokenization import windows


class Text(NamedTuple):
    """A row: its place, its text, and the texts of the columns to keep."""

    where: str
    text: str
    kept: tuple[str, ...]


@dataclasses.dataclass
class EmbeddingConfig(FineTuningConfig):
    """The config of `EmbeddingTask`.

    Attributes:
      text: the column of the text.
      pooling: see `AlbertEmbedder`, as is the next one.
      normalize: whether to divide each vector by its length.
      prompt: what is put before each text.
      windows: what is read of texts that are longer than `seq_length`: "first", what fits into one
        row; or all windows of their tokens, whose vectors are pooled by "mean" or "max".
      doc_stride: the number of tokens from the start of one window to the next; None for half of
        `seq_length`.
    """

    text: str = "text"
    pooling: list[str] = dataclasses.field(default_factory=lambda: ["mean"])
    normalize: bool = False
    prompt: str = ""
    windows: str = FIRST
    doc_stride: int | None = None


class EmbeddingTask(FineTuningTask):
    """Computes a vector for each text; it has no training yet."""

    MODEL = AlbertEmbedder
    UNIT = "text"
    KEEPS_COLUMNS = True
    SETTINGS = ("text", "pooling", "normalize", "prompt", "windows", "doc_stride")
    OUTPUTS = tuple(VECTORS)

    @classmethod
    def config_class(cls) -> type[EmbeddingConfig]:
        """Returns `EmbeddingConfig`."""
        return EmbeddingConfig

    def describe(self) -> TaskDescription:
        """Returns the task with its pooling and the column of the text."""
        return TaskDescription(EMBEDDING, settings=self.settings())

    def settings(self) -> dict[str, Any]:
        """Returns the settings that prediction needs."""
        settings = dict(self.start.task.settings) if self.start.task else {}
        settings |= {name: getattr(self.task_config, name) for name in self.SETTINGS}
        others = ("windows", "doc_stride") if settings["windows"] == FIRST else ()
        others += () if settings["prompt"] else ("prompt",)
        return {name: value for name, value in settings.items() if name not in others}

    @property
    def prompt(self) -> str:
        """What is put before each text."""
        prompt = self.task_config.prompt
        if not isinstance(prompt, str):
            raise InputError(
                f"A prompt must be text. Received {prompt!r:.80}. Correct it in task.json."
            )
        return prompt

    def rows(
        self, params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> Iterator[Text]:
        """Yields texts; see `TaskFiles.rows`."""
        column, paths = self.task_config.text, self.paths(params)
        self.check_kept(paths, [column])
        columns = list(dict.fromkeys([column, *self.keep_columns]))
        for path in paths:
            for where, fields in tables.read(path, columns, report=report, to_predict=True):
                kept = tuple([fields[name] for name in self.keep_columns])
                yield Text(where, fields[column], kept)

    def encode(
        self, rows: Sequence[Text], params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> EncodedExamples:
        """Tokenises texts. One without tokens has the vector of its special tokens."""
        tokenizer, most = self.tokenizer, params.seq_length - 2
        config = self.task_config
        settings = TextWindowSettings(config.windows, params.seq_length, config.doc_stride)
        cuts = settings.windows == FIRST or labelled  # Training reads one row of each text.
        ids = tokenizer.encode_batch([f"{self.prompt}{row.text}" for row in rows])
        for row, tokens in zip(rows, ids):
            if len(tokens) > most and cuts:
                report.remark(f"are cut to {params.seq_length} tokens", row.where)
            elif not len(tokens):
                report.remark("have no text, and the vector of the special tokens", row.where)
        parts = [
            [(0, most)] if cuts else list(windows.parts(len(tokens), most, settings.stride))
            for tokens in ids
        ]
        ids = [
            [tokenizer.cls_id, *tokens[first:last], tokenizer.sep_id]
            for tokens, places in zip(ids, parts)
            for first, last in places
        ]
        counts = None if cuts else [len(places) for places in parts]
        return EncodedExamples(ids, report=report, windows=counts)

    def losses(self, labels: Tensors, outputs: Any) -> tf.Tensor:
        """Raises `InputError`, because this task cannot be trained."""
        raise InputError(
            "Embeddings are not trained by a recipe yet. Received an embedding task to train. "
            "Train in Keras with AlbertEmbedder."
        )

    def kept(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the vectors."""
        return {"embedding": outputs}

    @property
    def metric(self) -> str:
        """Empty, because texts have no labels."""
        return ""

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns no metrics, because texts have no labels."""
        return {}

    def answers(self, examples: EncodedExamples, outputs: Outputs) -> Iterator[dict[str, Any]]:
        """Yields `embedding`, a vector float32 [D], for each text."""
        for vector in outputs["embedding"]:
            if not np.isfinite(vector).all():
                raise InputError(
                    "Vectors must be finite. Received a vector with NaN or infinite numbers. The "
                    "weights are damaged: convert or download the model again."
                )
            yield {"embedding": vector}

    def columns(self) -> dict[str, Any]:
        """Returns the column of the vector."""
        return {"embedding": list[np.float32]}

    def answer_file(self, ending: str, keep: Sequence[str] = ()) -> AnswerFile:
        """Returns a file of answers; vectors are also written as .npy and .tfrecord."""
        if ending in VECTORS:
            settings = EmbeddingSettings.of(self.settings())
            return VECTORS[ending](settings.size(self.start.config.hidden_size), keep)
        return super().answer_file(ending, keep)
