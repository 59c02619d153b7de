"""`EmbeddingTask`: a vector for each text of a file, and its training on pairs and single texts."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from official.core import task_factory

from albert_tf.data import tables
from albert_tf.data.row_report import RowReport
from albert_tf.embedding_settings import EmbeddingSettings, modes_of
from albert_tf.errors import InputError
from albert_tf.modeling.inputs import joined
from albert_tf.task_types import EMBEDDING, TaskDescription
from albert_tf.tasks.answer_files import AnswerFile
from albert_tf.tasks.base import Tensors, gather_over_replicas
from albert_tf.tasks.embedding import config as settings_of_training
from albert_tf.tasks.embedding import data, evaluation, initial_metrics, losses
from albert_tf.tasks.embedding.config import NLI, SCORES, TEXTS, EmbeddingConfig, Layout
from albert_tf.tasks.embedding.data import Example
from albert_tf.tasks.embedding.evaluation_files import Pairs, Retrieval
from albert_tf.tasks.embedding.model import AlbertEmbedder
from albert_tf.tasks.embedding.student import EmbeddingStudent
from albert_tf.tasks.embedding.vector_files import VECTORS
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning_config import FineTuningDataConfig
from albert_tf.tasks.task_files import Facts
from albert_tf.tasks.text_windows import FIRST, TextWindowSettings
from albert_tf.tokenization import windows


class Text(NamedTuple):
    """A row: its place, its text, and the texts of the columns to keep."""

    where: str
    text: str
    kept: tuple[str, ...]


@task_factory.register_task_cls(EmbeddingConfig)
class EmbeddingTask(EmbeddingStudent):
    """Computes a vector for each text.

    In training, an example has one to three texts, which are rows of the same batch, and the loss
    compares their vectors; see `losses`.
    """

    MODEL = AlbertEmbedder
    UNIT = "text"
    KEEPS_COLUMNS = True
    SETTINGS = ("text", "pooling", "normalize", "matryoshka", "prompt", "windows", "doc_stride")
    OUTPUTS = tuple(VECTORS)

    def __init__(self, params: EmbeddingConfig, *args: Any, **kwargs: Any) -> None:
        if params.train_data.seed is None:  # With micro-batches, dropout is drawn twice.
            params.train_data.seed = 0
        super().__init__(params, *args, **kwargs)
        if params.objective:
            self.UNIT = "row"
        self._initial: dict[str, float] = {}

    @classmethod
    def config_class(cls) -> type[EmbeddingConfig]:
        """Returns `EmbeddingConfig`."""
        return EmbeddingConfig

    def describe(self) -> TaskDescription:
        """Returns the task with its pooling and the column of the text."""
        return TaskDescription(EMBEDDING, settings=self.settings())

    def settings(self) -> dict[str, Any]:
        """Returns the settings that prediction needs."""
        config, start = self.task_config, self.start.task
        saved = dict(start.settings) if start and start.task == EMBEDDING else {}
        settings = {name: getattr(config, name) for name in self.SETTINGS}
        settings["pooling"] = list(modes_of(config.pooling or saved.get("pooling", "mean")))
        settings["normalize"] = config.normalize or saved.get("normalize", False)
        left_out = [name for name in ("matryoshka", "prompt") if not settings[name]]
        left_out += ["windows", "doc_stride"] if config.windows == FIRST else []
        if config.objective:
            if config.objective != TEXTS:  # The columns to train on are not the one to embed.
                settings["text"] = EmbeddingConfig.text
            settings["seq_length"] = config.train_data.seq_length
            saved = {"dense": saved["dense"]} if "dense" in saved else {}
        settings = {**saved, **settings}
        return {name: value for name, value in settings.items() if name not in left_out}

    @property
    def prompt(self) -> str:
        """What is put before each text to predict."""
        prompt = self.task_config.prompt
        if not isinstance(prompt, str):
            raise InputError(
                f"A prompt must be text. Received {prompt!r:.80}. Correct it in task.json."
            )
        return prompt

    def rows(
        self, params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> Iterator[Text | Example]:
        """Yields texts, or examples to train on and to evaluate; see `TaskFiles.rows`."""
        if labelled:
            yield from self._examples_in(params, report)
            return
        column, paths = self.task_config.text, self.paths(params)
        self.check_kept(paths, [column])
        columns = list(dict.fromkeys([column, *self.keep_columns]))
        for path in paths:
            for where, fields in tables.read(path, columns, report=report, to_predict=True):
                kept = tuple([fields[name] for name in self.keep_columns])
                yield Text(where, fields[column], kept)

    def _examples_in(self, params: FineTuningDataConfig, report: RowReport) -> Iterator[Example]:
        config, layout = self.task_config, Layout.of(self.task_config, params.is_training)
        if params.tfds_name:
            place = params.tfds_name, params.tfds_split, params.tfds_data_dir
            found = [tables.read_tfds(*place, layout.columns, report)]
        else:
            found = [
                tables.read(path, layout.columns, config.header, report)
                for path in self.paths(params)
            ]
        rows = tables.without_repeats(itertools.chain.from_iterable(found), report, False)
        yield from data.read(rows, layout, config, report)

    def any_labelled(self, params: FineTuningDataConfig) -> bool:
        """Returns False: files to predict have texts, not pairs of them."""
        return False

    def facts(self, row: Example) -> Facts:
        """Returns the texts, each of which is a sequence, and the score."""
        texts = tuple((text,) for text in row.texts if text)
        is_score = self.task_config.objective == SCORES and row.score is not None
        return Facts(row.where, texts, (row.score,) if is_score else (), shared=row.texts[0])

    def has_numbers(self, labels: Sequence[str]) -> bool:
        """Returns whether rows have scores."""
        return self.task_config.objective == SCORES

    def keys(self, rows: Sequence[Example]) -> list[tuple[Hashable, Hashable]]:
        """Returns a key for rows that share a text, directly or by way of other rows."""
        return data.groups(rows, max(1.0, self.task_config.eval_fraction * len(rows)))

    def encode(
        self, rows: Sequence[Any], params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> EncodedExamples:
        """Tokenises texts. One without tokens has the vector of its special tokens."""
        if labelled:
            return self._encode_examples(rows, params, report)
        tokenizer, most, config = self.tokenizer, params.seq_length - 2, self.task_config
        settings = TextWindowSettings(config.windows, params.seq_length, config.doc_stride)
        cuts = settings.windows == FIRST
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

    def _encode_examples(
        self, rows: Sequence[Example], params: FineTuningDataConfig, report: RowReport
    ) -> EncodedExamples:
        """Tokenises examples, whose texts become adjacent rows.

        The label "text" is a number for each text, the same for texts with the same ids, and -1 for
        no text, int32 [N, C]; "target" is the cosine that a score stands for.
        """
        tokenizer, most = self.tokenizer, params.seq_length - 2
        layout = Layout.of(self.task_config, params.is_training)
        distinct = list(dict.fromkeys(text for row in rows for text in row.texts))
        found = dict(zip(distinct, tokenizer.encode_batch(distinct)))
        count = 2 if params.is_training and layout.objective == TEXTS else len(layout.texts)
        if params.is_training and layout.objective == NLI:
            count = 3
        numbers: dict[tuple[int, ...], int] = {}
        ids, names = [], np.full([len(rows), count], -1, np.int32)
        for index, row in enumerate(rows):
            if any(len(found[text]) > most for text in row.texts[:count]):
                report.remark(f"are cut to {params.seq_length} tokens", row.where)
            texts = row.texts * count if len(row.texts) == 1 else row.texts
            for column, text in enumerate(texts[:count]):
                cut = tuple(found[text][:most])
                ids.append([tokenizer.cls_id, *cut, tokenizer.sep_id])
                if text:
                    names[index, column] = numbers.setdefault(cut, len(numbers))
        labels = {"text": names}
        if layout.objective == SCORES:
            labels["target"] = np.array([row.target for row in rows], np.float32)
        return EncodedExamples(ids, labels=labels, choices=count, sources=rows, report=report)

    # === Training ===
    def check(self) -> None:
        """Reads and checks all inputs before the run writes anything; see `FineTuningTask.check`.

        Raises:
          InputError: see there; or the model and the data do not fit the objective.
        """
        config, layout = self.task_config, Layout.of(self.task_config, True)
        settings_of_training.check(config)
        rates = self._config()
        if layout.objective == TEXTS and not (
            rates.hidden_dropout_prob or rates.attention_probs_dropout_prob
        ):
            raise InputError(
                "OBJECTIVE=texts compares a text with itself under another dropout, so there must "
                "be dropout. Received rates of 0. Set DROPOUT to such as 0.1."
            )
        settings = EmbeddingSettings.of(self.settings())
        saved = EmbeddingSettings.of(self.start.task.settings) if settings.dense else settings
        if saved.pooling != settings.pooling:
            raise InputError(
                "POOLING must be that of the initial weights if they have dense layers, which read "
                f"its vectors. Received POOLING={','.join(settings.pooling)} for weights with "
                f"{','.join(saved.pooling)}. Leave it out, or set it to {','.join(saved.pooling)}."
            )
        width = settings.width(self.start.config.hidden_size)
        settings_of_training.check_sizes(config.matryoshka, width)
        super().check()
        train, held = config.train_data, config.validation_data
        if self.logging_dir and (held.input_path or held.tfds_name):
            self._initial = initial_metrics.read(Path(self.logging_dir), self.examples(held))
        if layout.objective != SCORES and (train.input_path or train.tfds_name):
            texts = self.examples(train).labels["text"]
            if len(np.unique(texts[:, 1])) < 2:
                raise InputError(
                    "Training needs rows with different texts, which are negatives of each other. "
                    f"Received {len(texts)} row(s) with the same text in "
                    f"{train.input_path or train.tfds_name!r}. Check the file."
                )

    def check_length(self, params: FineTuningDataConfig) -> None:
        """Raises `InputError` if sequences may be longer than the position table, or have no token.

        Texts would have the same vector then, that of the special tokens.
        """
        super().check_length(params)
        if params.seq_length < 3:
            raise InputError(
                "A sequence must have room for a token between [CLS] and [SEP], so for three. "
                f"Received seq_length={params.seq_length}. Raise SEQ_LENGTH."
            )

    def initialize(self, model: AlbertEmbedder) -> None:
        """Loads the initial weights, and evaluates them to compare the run with."""
        super().initialize(model)
        held = self.task_config.validation_data
        if not (held.input_path or held.tfds_name):
            return
        batches = self.build_inputs(held)
        step = tf.function(
            lambda batch: {
                "example": batch["example"],
                **self.kept(self.inference_step(batch, model)),
            },
            input_signature=[batches.element_spec],
        )
        outputs = Outputs.gather(map(step, batches))
        self._initial = self.evaluate(self.examples(held), outputs)

    def after_loop(self, model: AlbertEmbedder) -> None:
        """Writes the metrics of the initial weights before there is a checkpoint to resume."""
        if self._initial and self.logging_dir and self.saves_results:
            held = self.examples(self.task_config.validation_data)
            initial_metrics.write(Path(self.logging_dir), held, self._initial)

    @property
    def compares_examples(self) -> bool:
        """Whether the other examples of a batch are negatives."""
        return self.task_config.objective != SCORES

    def forward(self, model: AlbertEmbedder, features: Tensors) -> tf.Tensor:
        """Returns the vectors of the texts of examples, float32 [B, C, D]."""
        return _vectors(model, features, training=True)

    def inference_step(self, inputs: Tensors, model: AlbertEmbedder) -> tf.Tensor:
        """Returns the same as `forward` without dropout."""
        return _vectors(model, inputs, training=False)

    def losses(self, labels: Tensors, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each example, [B], which is the mean over `matryoshka`."""
        sizes = self.task_config.matryoshka
        if "target" in labels:
            return losses.of_sizes(
                lambda size: losses.squared(outputs[..., :size], labels["target"]), sizes
            )
        texts = labels["text"]
        all_outputs, all_texts = map(gather_over_replicas, (outputs, texts))
        return losses.of_sizes(
            lambda size: losses.contrastive(
                outputs[..., :size],
                texts,
                all_outputs[..., :size],
                all_texts,
                self.task_config.temperature,
            ),
            sizes,
        )

    # === Evaluation ===
    def kept(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the vectors."""
        return {"embedding": outputs}

    @property
    def metric(self) -> str:
        """The metric of what the evaluation data hold; "" without an objective."""
        if not self.task_config.objective:
            return ""
        layout = Layout.of(self.task_config, False)
        return {SCORES: "spearman", TEXTS: "uniformity"}.get(layout.objective, "mrr_at_10")

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns the metrics of cosines for scores, of retrieval for pairs, or of uniformity."""
        vectors, rows = outputs.stacked("embedding"), outputs.examples  # [N, C, D]
        if examples.choices == 1:
            return evaluation.of_texts(vectors[:, 0])
        return self._of_pairs(examples, vectors, rows)

    def _of_pairs(
        self, examples: EncodedExamples, vectors: np.ndarray | None, rows: Sequence[int]
    ) -> dict[str, float]:
        """Returns the metrics of the vectors of the texts of rows, [N, 2, D]; None for words."""
        texts = [examples.sources[row].texts for row in rows]
        data: Retrieval | Pairs
        if "target" in examples.labels:
            data = Pairs(*map(list, zip(*texts)), examples.labels["target"][rows])
            first = second = np.arange(len(texts))
        else:
            data, first, second = evaluation.to_find(examples.labels["text"][rows], texts)
        if vectors is None:
            return evaluation.of_words(data)
        return evaluation.of_vectors(data, vectors[first, 0], vectors[second, 1])

    def baseline(self, examples: EncodedExamples) -> dict[str, float]:
        """Returns the metrics of random vectors, which are as uniform as can be."""
        if examples.choices == 1:
            return {}
        texts = examples.labels["text"]
        vectors = evaluation.random_vectors(texts.ravel().tolist(), self.start.config.hidden_size)
        vectors = vectors.reshape([*texts.shape, -1])  # [N, 2, D]
        return self._of_pairs(examples, vectors, range(len(texts)))

    def references(self, examples: EncodedExamples) -> Mapping[str, dict[str, float]]:
        """Returns the metrics of the initial weights of the run, and of words without any model."""
        references = {"initial": self._initial} if self._initial else {}
        if examples.choices == 1:
            return references
        return {**references, "words": self._of_pairs(examples, None, range(len(examples)))}

    # === Prediction ===
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


def _vectors(model: AlbertEmbedder, features: Tensors, training: bool) -> tf.Tensor:
    rows = joined(features)  # [B*C, S] each
    vectors = model(rows, training=training)  # [B*C, D]
    axes = tf.shape(features["input_word_ids"])[:2]
    result = tf.reshape(vectors, tf.concat([axes, [vectors.shape[-1]]], 0))
    return tf.ensure_shape(result, [None, features["input_word_ids"].shape[1], None])  # [B, C, D]
