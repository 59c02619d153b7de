"""`FineTuningTask`, the base class of all tasks on labelled text.

A task reads raw files, tokenises them once and trains a `TaskModel` from pretrained weights. It
computes metrics on all outputs of an evaluation together, using the libraries that define them.
`albert-tf predict` runs the same code on files without labels.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.formats.source import Source
from albert_tf.modeling.task_model import TaskModel
from albert_tf.task_types import FILE
from albert_tf.tasks import batching, results, starting_point
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.distillation.student import LABELLED, FineTuningStudent
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning_config import (
    FineTuningConfig,
    FineTuningDataConfig,
    usual_rates,
)
from albert_tf.tasks.model_config import ModelConfig
from albert_tf.tokenization import model_files
from albert_tf.tokenization.tokenizer import AlbertTokenizer


class FineTuningTask(FineTuningStudent):
    """A task on labelled text. Subclasses implement the abstract methods.

    Attributes:
      MODEL: the class of the model.
      SETTINGS: the fields of the task's config that prediction needs; task.json stores them.
    """

    MODEL: ClassVar[type[TaskModel]]
    SETTINGS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, params: FineTuningConfig, logging_dir: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(params, logging_dir=logging_dir, **kwargs)
        if params.eval_fraction:
            _hold_out(params)
        self._examples: dict[str, EncodedExamples] = {}
        self._start: starting_point.StartingPoint | None = None
        self.results = results.Results(self.logging_dir)

    # === To implement in a subclass ===
    @abc.abstractmethod
    def losses(self, labels: Tensors, outputs: Any) -> tf.Tensor:
        """Returns the loss of each example, float32 [B], or of each position, float32 [B, S]."""

    @abc.abstractmethod
    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns the metrics of the outputs, including `metric`."""

    @property
    @abc.abstractmethod
    def metric(self) -> str:
        """The metric that selects the best checkpoint, unless the config names another."""

    def baseline(self, examples: EncodedExamples) -> dict[str, float]:
        """Returns all metrics of the best answer that ignores the texts; none by default."""
        return {}

    def references(self, examples: EncodedExamples) -> Mapping[str, dict[str, float]]:
        """Returns the metrics of other answers to compare with, by name; none by default."""
        return {}

    def details(self, examples: EncodedExamples, outputs: Outputs) -> str:
        """Returns text to append to the report, such as a table of classes; "" by default."""
        return ""

    def draw(self, examples: EncodedExamples, outputs: Outputs, folder: Path) -> list[Path]:
        """Writes plots of an evaluation to a folder and returns their paths; none by default."""
        return []

    def settings(self) -> dict[str, Any]:
        """Returns the settings that prediction needs: `SETTINGS` and the sequence length."""
        settings = {name: getattr(self.task_config, name) for name in self.SETTINGS}
        return {**settings, "seq_length": self.task_config.train_data.seq_length}

    # === Start ===
    @property
    def start(self) -> starting_point.StartingPoint:
        """The starting point of the run, determined on first use."""
        if self._start is None:
            config = self.task_config
            self._start = starting_point.find(
                config.init_from,
                config.from_scratch,
                config.model,
                config.vocab_file,
                self.logging_dir,
                config.num_layers,
            )
            if self._start.resumes and self._start.task is not None:
                _fill(config, self._start.task.settings)
            config.model = ModelConfig(**self._config().to_dict())
        return self._start

    def start_from(self, start: starting_point.StartingPoint) -> None:
        """Sets the starting point, so that the config and the folder of the run do not."""
        self._start = start

    @classmethod
    def from_source(cls, source: Source, **config: Any) -> FineTuningTask:
        """Returns the task of a fine-tuned model, for prediction.

        Args:
          source: the result of `formats.load`; it must have a vocabulary.
          **config: fields of the task's config to change.
        """
        settings = source.task.settings if source.task else {}
        kept = {name: value for name, value in settings.items() if name in cls.SETTINGS}
        values = {**cls.limits(source.config), **kept, **config}
        task = cls(cls.config_class()(init_from=str(source.path), **values))
        tokenizer = starting_point.tokenizer_of(source)
        start = starting_point.StartingPoint(source.config, tokenizer, source, source.task)
        task.start_from(start)
        return task

    @classmethod
    def limits(cls, config: AlbertConfig) -> dict[str, int]:
        """Returns the lengths in the task's config whose defaults a short position table lowers."""
        return {}

    @classmethod
    @abc.abstractmethod
    def config_class(cls) -> type[FineTuningConfig]:
        """The class of `task_config`."""

    @property
    def tokenizer(self) -> AlbertTokenizer:
        """The tokenizer that belongs to the weights."""
        return self.start.tokenizer

    def check(self) -> None:
        """Reads and checks all inputs before the run writes anything.

        Raises:
          InputError: the weights, vocabulary, config and files are not consistent.
        """
        self.task_config.distillation.check()
        for data in (self.task_config.train_data, self.task_config.validation_data):
            if data.input_path or data.tfds_name:
                self.check_length(data)
                examples = self.examples(data)
                if not data.is_training and (baseline := self.baseline(examples)):
                    self.results.baseline = baseline
                    self._chosen_metric(baseline)
        self.describe()
        if self.task_config.distillation.teacher:
            self.teacher  # noqa: B018 - It is checked.

    def check_length(self, params: FineTuningDataConfig) -> None:
        """Raises `InputError` if sequences may be longer than the position table."""
        longest = self.start.config.max_position_embeddings
        if params.seq_length > longest:
            raise InputError(
                "Sequences must not be longer than the position table. Received seq_length="
                f"{params.seq_length}, max_position_embeddings={longest} in the weights. Lower "
                "SEQ_LENGTH."
            )

    def folder_files(self) -> dict[str, Path | str]:
        """Returns the files that turn a checkpoint folder into a model: paths to copy, or text."""
        tokenizer = self.tokenizer
        vocabulary = model_files.of_folder(tokenizer.model_file, tokenizer.preprocessing)
        return {FILE: self.describe().to_json(), **vocabulary}

    # === Model ===
    def build_model(self) -> tf_keras.Model:
        """Returns the model with random weights; `initialize` loads the pretrained ones."""
        rate = self.task_config.classifier_dropout
        if rate is None and self.start.source is not None:
            rate = self.start.source.classifier_dropout
        kwargs: dict[str, Any] = {"recompute": self.task_config.recompute}
        if rate is not None:
            kwargs["dropout_rate"] = rate
        model = self.MODEL.from_description(self._config(), self.describe(), **kwargs)
        model.encoder.remove_padding = bool(self.task_config.remove_padding)
        self.learn_from_teacher(model)
        return model

    @property
    def starts_from(self) -> str:
        """The model whose weights a new run starts from; "" for random weights."""
        return self.task_config.init_from

    def initialize(self, model: TaskModel) -> None:
        """Loads the initial weights of the run and prints what was loaded."""
        source = self.start.source
        if source is None:
            print("weights: random (FROM_SCRATCH)")
            return
        if not self.takes_head():
            source = dataclasses.replace(source, task=None)
        print(starting_point.load_weights(model, source))

    def takes_head(self) -> bool:
        """Returns whether the weights have a head for the same task and the same labels."""
        saved, wanted = self.start.task, self.describe()
        return saved is not None and (saved.task, saved.labels) == (wanted.task, wanted.labels)

    def _config(self) -> Any:
        rates = dict(
            hidden_dropout_prob=self.task_config.hidden_dropout,
            attention_probs_dropout_prob=self.task_config.attention_dropout,
        )
        rates = {name: rate for name, rate in rates.items() if rate is not None}
        return dataclasses.replace(self.start.config, **rates)

    # === Training ===
    def counts(self, labels: Tensors) -> dict[str, tf.Tensor]:
        """Returns the number of losses to average: one for each labelled example, by default."""
        if LABELLED in labels:
            return {"losses": tf.reduce_sum(labels[LABELLED])}
        return {"losses": tf.cast(tf.size(labels["example"]), tf.float32)}

    def build_losses(
        self,
        labels: Tensors,
        model_outputs: Any,
        aux_losses: Sequence[tf.Tensor] | None = None,
        counts: Tensors | None = None,
    ) -> tf.Tensor:
        """Returns the mean of `losses`, or these examples' share of a larger batch's mean."""
        losses, counts = self.losses(labels, model_outputs), counts or self.counts(labels)
        if LABELLED in labels:  # A batch may have no labelled example.
            total = tf.reduce_sum(tf.einsum("b...,b->b...", losses, labels[LABELLED]))
            loss = tf.math.divide_no_nan(total, counts["losses"])
        else:
            loss = tf.reduce_sum(losses) / counts["losses"]
        return loss + (tf.add_n(aux_losses) if aux_losses else 0.0)

    def process_metrics(
        self, metrics: Any, labels: Tensors, model_outputs: Any, **kwargs: Any
    ) -> None:
        """Updates training metrics, if any; evaluation metrics are computed on all outputs."""
        return None

    # === Data ===
    def examples(self, params: FineTuningDataConfig) -> EncodedExamples:
        """Returns the examples of the files, which are read and tokenised on the first call only.

        Raises:
          InputError: no files are set, they contain no examples, or `read` fails.
        """
        names = ("input_path", "tfds_name", "tfds_split", "seq_length", "is_training")
        if not (params.input_path or params.tfds_name):
            macro = "TRAIN_DATA" if params.is_training else "EVAL_DATA"
            part = "" if params.is_training else ", hold out a part with EVAL_FRACTION"
            raise InputError(
                f"{'Training' if params.is_training else 'Evaluation'} needs data. Received an "
                f"empty {macro}. Set --gin.{macro}=FILE{part}, or change --mode."
            )
        key = " ".join(str(getattr(params, name)) for name in names)
        if key not in self._examples:
            examples = self.read(params)
            self.results.add_data(params.is_training, examples.report)
            if not len(examples):
                raise InputError(
                    "Training and evaluation data must contain examples. Received 0 examples in "
                    f"{params.input_path or params.tfds_name!r}. Check the path."
                )
            if params.is_training and self.task_config.distillation.teacher:
                examples = self.with_teacher(examples, params)
            self._examples[key] = examples
        return self._examples[key]

    def build_inputs(
        self,
        params: FineTuningDataConfig,
        input_context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """Returns a dataset of the batches that `EncodedExamples.batch` makes."""
        return batching.dataset(
            self.examples(params),
            global_batch_size=params.global_batch_size,
            is_training=params.is_training,
            seed=params.seed or 0,
            width=None if params.bucketed else params.seq_length,
            start_step=params.start_step,
            input_context=input_context,
        )

    # === Evaluation ===
    def kept(self, outputs: Any) -> dict[str, tf.Tensor]:
        """Returns the model outputs that answers and metrics need, [B, ...] each."""
        return dict(outputs) if isinstance(outputs, Mapping) else {"logits": outputs}

    def predicted(self, model: TaskModel, features: Tensors) -> dict[str, tf.Tensor]:
        """Returns the outputs of a model that answers need, for a batch without labels."""
        return self.kept(model(features, training=False))

    def validation_step(
        self, inputs: Tensors, model: tf_keras.Model, metrics: Any = None
    ) -> dict[str, tf.Tensor]:
        """Returns the loss of a batch, the indices of its examples, and the model's outputs."""
        outputs = self.inference_step(inputs, model)
        loss = self.batch_loss(inputs, outputs)
        return {self.loss: loss, "example": inputs["example"], **self.kept(outputs)}

    def aggregate_logs(self, state: list | None, step_logs: Mapping[str, Any]) -> list:
        """Collects the outputs of every replica and step."""
        kept = {name: value for name, value in step_logs.items() if name != self.loss}
        return [*(state or []), kept]

    def reduce_aggregated_logs(
        self, aggregated_logs: Sequence[Mapping[str, Any]], global_step: Any = None
    ) -> dict[str, float]:
        """Returns the metrics of an evaluation, computed on all its outputs together."""
        examples = self.examples(self.task_config.validation_data)
        outputs = Outputs.gather(aggregated_logs)
        metrics = self.evaluate(examples, outputs)
        step = None if global_step is None else int(tf.convert_to_tensor(global_step))
        self.results.baseline = self.results.baseline or self.baseline(examples)
        self.results.references = self.results.references or self.references(examples)
        self.results.add(metrics, self._chosen_metric(metrics), step, examples, outputs)
        # Written immediately, so that a killed run loses no evaluation.
        if self.logging_dir and self.saves_results:
            results.write(self.results, Path(self.logging_dir))
        return metrics

    @property
    def best_metric(self) -> str:
        """The metric that selects the best checkpoint if the experiment names none."""
        return self.task_config.metric or self.metric

    def _chosen_metric(self, metrics: Collection[str]) -> str:
        name = self.best_metric
        if name == "validation_loss":  # Computed by the trainer, so the task has no such metric.
            return self.metric
        if name not in metrics:
            raise InputError(
                "BEST_METRIC must be a metric of the task. Received "
                f"{name!r}. {closest(name, [*metrics, 'validation_loss'])}"
            )
        return name

    def report(self, metrics: Mapping[str, float]) -> str:
        """Returns the report of the best evaluation as text."""
        best = self.results.best
        known = best is not None and self.results.best_is_new
        details = self.details(best.examples, best.outputs) if known else ""
        return results.text(self.results, details, usual_rates(self.start.config.hidden_size))

    def restart_results(self) -> None:
        """Forgets the evaluations of earlier sessions."""
        self.results = results.Results()

    def write_results(self, folder: str | Path) -> list[Path]:
        """Writes metrics.json, and plots if this session has the best evaluation; returns paths."""
        if not self.results.history:
            return []
        paths = [results.write(self.results, Path(folder))]
        if self.results.best_is_new:
            best = self.results.best
            paths += self.draw(best.examples, best.outputs, Path(folder))
        return paths


def _fill(config: FineTuningConfig, settings: Mapping[str, Any]) -> None:
    """Fills fields of the config that are None with the settings of an earlier session."""
    for name, value in settings.items():
        if hasattr(config, name) and getattr(config, name) is None:
            setattr(config, name, value)


def _hold_out(config: FineTuningConfig) -> None:
    """Makes the evaluation read the training data, of which it gets `eval_fraction`."""
    train, held = config.train_data, config.validation_data
    if not 0 < config.eval_fraction < 1 or held.input_path not in ("", train.input_path):
        raise InputError(
            "EVAL_FRACTION must be the fraction of TRAIN_DATA to hold out, between 0 and 1, "
            f"without EVAL_DATA. Received EVAL_FRACTION={config.eval_fraction} and EVAL_DATA="
            f"{str(held.input_path)!r}. Set one of the two."
        )
    for name in ("input_path", "tfds_name", "tfds_split"):
        setattr(held, name, getattr(train, name))
