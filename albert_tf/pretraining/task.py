"""The pretraining task: masked LM and sentence-order prediction (Lan et al. 2020, section 3.1)."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import config_definitions, task_factory

from albert_tf.data.storage import expand
from albert_tf.errors import InputError
from albert_tf.formats import resize
from albert_tf.formats.source import Source
from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.pretraining import report as pretraining_report
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records import manifest, pretraining_input, record_files, record_kinds
from albert_tf.pretraining.report import PER_BYTE, LossPerByte, MajorityShare, piece_bytes
from albert_tf.tasks import starting_point
from albert_tf.tasks.base import AlbertTask, AlbertTaskConfig, Tensors
from albert_tf.tasks.distillation import teacher
from albert_tf.tasks.distillation.losses import soft_cross_entropy
from albert_tf.tasks.model_config import ModelConfig
from albert_tf.tokenization import model_files
from albert_tf.tokenization.special_ids import SENTENCEPIECE
from albert_tf.tokenization.tokenizer import AlbertTokenizer

HEADS = ("mlm", "sop")
ORDER = "next_sentence_labels"  # The order of the segments: 0 in order, 1 swapped.


@dataclasses.dataclass
class PretrainingDataConfig(config_definitions.DataConfig):
    """The records to read; `input_path` is a glob or a list of globs.

    `masked_lm_prob`, `ngram` and `favor_longer_ngram` apply to dynamic records only.

    Attributes:
      seq_length: the number of tokens in a record, including [CLS] and [SEP]; None for that of the
        records.
      max_predictions_per_seq: the maximum number of masked positions per sequence; None for that of
        the records, or the share `masked_lm_prob` of `seq_length` if they have no masks.
      masked_lm_prob: the share of tokens to predict.
      ngram: the maximum number of words that are masked together.
      favor_longer_ngram: whether longer n-grams are more frequent than shorter ones.
      skip_broken_records: whether to skip the rest of a file after a broken record, and log the
        number of bytes; otherwise a broken record is an error.
      start_step: the step whose batch comes first; set when a run resumes.
    """

    seq_length: int | None = None
    max_predictions_per_seq: int | None = None
    masked_lm_prob: float = 0.15
    ngram: int = 3
    favor_longer_ngram: bool = False
    skip_broken_records: bool = False
    is_training: bool = True
    start_step: int = 0

    @property
    def paths(self) -> list[str]:
        """The record files."""
        return [str(path) for path in expand(self.input_path)]

    @property
    def sizes(self) -> record_kinds.Sizes:
        """The lengths of the features; reads a record if they are not set."""
        set_here = self.seq_length, self.max_predictions_per_seq
        skips = self.skip_broken_records
        return record_kinds.sizes(self.paths, *set_here, self.masked_lm_prob, skips)

    @property
    def masking(self) -> Masking:
        """The settings for drawing masks when the records have none."""
        return Masking(
            rate=self.masked_lm_prob,
            max_predictions=self.sizes.max_predictions,
            max_ngram=self.ngram,
            favor_longer=self.favor_longer_ngram,
        )


@dataclasses.dataclass
class PretrainingConfig(AlbertTaskConfig):
    """The config of `PretrainingTask`.

    Attributes:
      vocab_file: the vocabulary that the records were built with, with its preprocessing
        settings beside it; a run keeps a copy next to its checkpoints.
      positions: how the position table of the initial weights becomes longer, if the model has more
        positions: "repeated" or "interpolated" (see `formats.resize.with_positions`).
    """

    vocab_file: str = ""
    positions: str = "repeated"
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    train_data: PretrainingDataConfig = dataclasses.field(default_factory=PretrainingDataConfig)
    validation_data: PretrainingDataConfig = dataclasses.field(
        default_factory=lambda: PretrainingDataConfig(is_training=False, drop_remainder=False)
    )


@task_factory.register_task_cls(PretrainingConfig)
class PretrainingTask(AlbertTask):
    """Trains an `AlbertPretrainer` with masked LM and sentence-order prediction.

    The loss is that of the original (run_pretraining.py): the weighted sum over real predictions
    divided by their number + 1e-5, plus the mean sentence-order loss. The sums of each replica and
    micro-batch are divided by the counts of the whole batch, so the loss does not depend on how the
    batch is split.

    The metrics are mlm_loss, mlm_accuracy, sop_loss and sop_accuracy, and in evaluation also
    mlm_loss_per_byte and the baselines mlm_unigram_accuracy and sop_majority_accuracy. The baseline
    of mlm_loss is ln(vocab_size). With records without sentence order there are no sop metrics.
    """

    def __init__(self, params: PretrainingConfig, *args: Any, **kwargs: Any) -> None:
        if params.num_layers is not None:
            if not params.init_checkpoint:
                raise InputError(
                    "NUM_LAYERS changes the number of layers of initial weights. Received "
                    f"NUM_LAYERS={params.num_layers!r:.80} and no INIT_FROM. Set INIT_FROM, or the "
                    "num_hidden_layers of MODEL."
                )
            config = params.model.to_albert_config()
            if params.num_layers != config.num_hidden_layers:  # MODEL may have them already.
                config = resize.layered(config, params.num_layers, "MODEL", more=True)
            params.model = ModelConfig(**config.to_dict())
        super().__init__(params, *args, **kwargs)

    @functools.cached_property
    def sentence_order(self) -> bool:
        """Whether the records have a sentence-order label; reads the first record of each file."""
        for data in (self.task_config.train_data, self.task_config.validation_data):
            if data.input_path:
                return self._kind(data).sentence_order
        return True

    @functools.cached_property
    def tokenizer(self) -> AlbertTokenizer:
        """The tokenizer that the records were built with."""
        return AlbertTokenizer.from_pretrained(self.task_config.vocab_file)

    @property
    def pieces(self) -> int:
        """The number of pieces; the word table may be padded with more rows, which masks ignore."""
        config = self.task_config
        return self.tokenizer.vocab_size if config.vocab_file else config.model.vocab_size

    def _kind(self, data: PretrainingDataConfig) -> record_kinds.Kind:
        size = self.task_config.model.vocab_size
        length, skips = data.sizes.max_seq_length, data.skip_broken_records
        return record_kinds.check(data.paths, length, data.masking, skips, size)

    def build_model(self) -> tf_keras.Model:
        """Returns a pretrainer with new weights."""
        config = self.task_config
        model = AlbertPretrainer(
            config.model.to_albert_config(), recompute=config.recompute, name="pretrainer"
        )
        model.encoder.remove_padding = config.remove_padding
        self.learn_from_teacher(model)
        return model

    def initialize(self, model: tf_keras.Model) -> None:
        """Loads the weights of a new run from `init_checkpoint`, in any format, if it is set."""
        if self.starts_from:
            config = self.task_config
            print(
                starting_point.load_weights(
                    model, self.starts_from, config.positions, config.num_layers
                )
            )

    # === Distillation ===
    @functools.cached_property
    def teacher(self) -> teacher.Teacher:
        """The teacher, which is checked on first use.

        Raises:
          InputError: it cannot be read, has another vocabulary, or lacks a head.
        """
        config = self.task_config
        student = config.model.to_albert_config()
        found = teacher.find(config.distillation, student, self.tokenizer)
        teacher.check_vocabulary(found, config.distillation, False, "pretraining")
        heads = ("masked_lm", *(["sentence_order"] if self.sentence_order else []))
        if lacking := [head for head in heads if head not in found.source.heads]:
            raise InputError(
                "A teacher of pretraining must have its heads. Received "
                f"TEACHER='{found.source.path}' without {', '.join(lacking)}. Use a pretrained "
                "model that was not fine-tuned."
            )
        longest = found.source.config.max_position_embeddings
        if config.train_data.seq_length > longest:
            raise InputError(
                "A teacher must be able to read the records of its student. Received records of "
                f"{config.train_data.seq_length} tokens for TEACHER='{found.source.path}' with "
                f"max_position_embeddings={longest}. Build shorter records."
            )
        return found

    def build_teacher(self, source: Source) -> AlbertPretrainer:
        """Returns the teacher with its heads."""
        return AlbertPretrainer.from_pretrained(source, allow_partial=not self.sentence_order)

    def soft_weights(self, labels: Tensors) -> dict[str, tf.Tensor]:
        """Returns 1 for each real prediction, [B, P], and for each sequence, [B]."""
        weights = dict(mlm=labels["masked_lm_weights"])
        if ORDER in labels:
            weights["sop"] = tf.ones_like(labels["masked_lm_weights"][:, 0])
        return weights

    def soft_losses(
        self, labels: Tensors, outputs: Tensors, teacher: Tensors, temperature: float
    ) -> dict[str, tf.Tensor]:
        """Returns the divergences of the two heads; rows that pad a word table do not count."""
        pairs = {name: (outputs[f"{name}_logits"], teacher[f"{name}_logits"]) for name in HEADS}
        pairs["mlm"] = tuple(logits[..., : self.pieces] for logits in pairs["mlm"])
        return {n: soft_cross_entropy(*pair, temperature) for n, pair in pairs.items()}

    def forward(self, model: AlbertPretrainer, features: Tensors) -> dict[str, tf.Tensor]:
        """Returns the logits of both heads."""
        return model.predictions(features, training=True)

    def build_inputs(
        self,
        params: PretrainingDataConfig,
        input_context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """Returns batches with the features of `records.features`."""
        return pretraining_input.dataset(
            params.input_path,
            max_seq_length=params.sizes.max_seq_length,
            masking=params.masking,
            vocab_size=self.pieces,
            global_batch_size=params.global_batch_size,
            is_training=params.is_training,
            seed=params.seed,
            start_step=params.start_step,
            input_context=input_context,
            drop_remainder=params.drop_remainder,
            skip_broken_records=params.skip_broken_records,
            special=self.tokenizer.special_ids if self.task_config.vocab_file else SENTENCEPIECE,
        )

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """Returns a context for reading data; within it, broken-record errors name the file."""
        config = self.task_config
        paths = [*config.train_data.paths, *config.validation_data.paths]
        return record_files.naming_broken(paths)

    def check(self) -> None:
        """Checks that config, vocabulary and records match, before a run writes anything.

        Sets the lengths in the config that are not set to those of the records.

        Raises:
          InputError: they do not match.
        """
        config = self.task_config
        model = config.model.to_albert_config()
        tokenizer = self.tokenizer
        config.distillation.check()
        starting_point.check_rows(model, tokenizer, "Set VOCAB_SIZE to the size of the vocabulary.")
        if config.init_checkpoint:
            starting_point.check_weights(
                config.init_checkpoint, model, tokenizer, config.positions, config.num_layers
            )
        for data in (config.train_data, config.validation_data):
            data.seq_length, data.max_predictions_per_seq = data.sizes
            manifest.check_vocabulary(data.input_path, tokenizer)
            kind = self._kind(data)
            if data.seq_length > model.max_position_embeddings:
                raise InputError(
                    "Records must not be longer than the position table. Received records of "
                    f"{data.seq_length} tokens in '{data.input_path}' for a model with "
                    f"max_position_embeddings={model.max_position_embeddings}. Build records with "
                    f"--max_seq_length {model.max_position_embeddings} or less."
                )
            if kind.sentence_order != self.sentence_order:
                raise InputError(
                    "Training and evaluation records must either both have sentence order or both "
                    f"lack it. Received {self._kind(config.train_data)} in "
                    f"'{config.train_data.input_path}' and {self._kind(config.validation_data)} in "
                    f"'{config.validation_data.input_path}'. Rebuild one of them."
                )
        if config.distillation.teacher:
            self.teacher  # noqa: B018 - It is checked.

    def folder_files(self) -> dict[str, Path | str]:
        """Returns the files that turn a checkpoint folder into a model: paths to copy, or text."""
        return model_files.of_folder(self.tokenizer.model_file, self.tokenizer.preprocessing)

    def report(self, metrics: Mapping[str, float]) -> str:
        """Returns the evaluation metrics as lines of text, next to their baselines."""
        lines = [pretraining_report.table(metrics, self.task_config.model.vocab_size)]
        lines += [pretraining_report.per_byte(metrics)] if PER_BYTE in metrics else []
        return "\n".join(lines)

    def counts(self, labels: Tensors) -> dict[str, tf.Tensor]:
        """Returns the number of real predictions and of sequences."""
        counts = dict(mlm=tf.reduce_sum(labels["masked_lm_weights"]))
        if ORDER in labels:
            counts["sop"] = tf.cast(tf.size(labels[ORDER]), tf.float32)
        return counts

    def build_losses(
        self,
        labels: Tensors,
        model_outputs: Tensors,
        aux_losses: Sequence[tf.Tensor] | None = None,
        counts: Tensors | None = None,
    ) -> tf.Tensor:
        """Returns the scalar loss that the class docstring describes."""
        counts = counts or self.counts(labels)
        mlm = _masked_lm_losses(labels, model_outputs)
        loss = tf.reduce_sum(mlm * labels["masked_lm_weights"]) / (counts["mlm"] + 1e-5)
        if ORDER in labels:
            loss += tf.reduce_sum(_order_losses(labels, model_outputs)) / counts["sop"]
        return loss + (tf.add_n(aux_losses) if aux_losses else 0.0)

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """Returns the metrics of the base class and those that `process_metrics` updates."""
        heads = HEADS if self.sentence_order else HEADS[:1]
        metrics = super().build_metrics(training)
        metrics += [
            tf_keras.metrics.Mean(name=f"{head}_{kind}")
            for head in heads
            for kind in ("loss", "accuracy")
        ]
        if not training:
            vocab_size = self.task_config.model.vocab_size
            metrics.append(MajorityShare(vocab_size, name="mlm_unigram_accuracy"))
            if self.task_config.vocab_file:
                metrics.append(LossPerByte(name=PER_BYTE))
            if self.sentence_order:
                metrics.append(MajorityShare(2, name="sop_majority_accuracy"))
                metrics.append(tf_keras.metrics.Sum(name="sop_examples"))
        return metrics

    def process_metrics(
        self,
        metrics: Sequence[tf_keras.metrics.Metric],
        labels: Tensors,
        model_outputs: Tensors,
        **kwargs: Any,
    ) -> None:
        """Updates the metrics with one batch."""
        tokens, weights = labels["masked_lm_ids"], labels["masked_lm_weights"]
        updates = {
            "mlm_loss": (_masked_lm_losses(labels, model_outputs), weights),
            "mlm_accuracy": (_hits(tokens, model_outputs["mlm_logits"]), weights),
            "mlm_unigram_accuracy": (tokens, weights),
        }
        if any(metric.name == PER_BYTE for metric in metrics):
            sizes = tf.gather(piece_bytes(self.tokenizer.pieces), tokens)
            updates[PER_BYTE] = (updates["mlm_loss"][0], sizes, weights)
        if ORDER in labels:
            order = tf.reshape(labels[ORDER], [-1])
            updates |= {
                "sop_loss": (_order_losses(labels, model_outputs),),
                "sop_accuracy": (_hits(order, model_outputs["sop_logits"]),),
                "sop_majority_accuracy": (order,),
                "sop_examples": (tf.ones_like(order),),
            }
        for metric in metrics:
            # Flattened, because Keras guesses which axis to squeeze if the batch size is unknown.
            metric.update_state(*(tf.reshape(value, [-1]) for value in updates[metric.name]))


def _masked_lm_losses(labels: Tensors, outputs: Tensors) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels["masked_lm_ids"], outputs["mlm_logits"]
    )  # [B, P]


def _order_losses(labels: Tensors, outputs: Tensors) -> tf.Tensor:
    order = tf.reshape(labels[ORDER], [-1])
    return tf.nn.sparse_softmax_cross_entropy_with_logits(order, outputs["sop_logits"])  # [B]


def _hits(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.cast(labels == tf.argmax(logits, -1, output_type=labels.dtype), tf.float32)
