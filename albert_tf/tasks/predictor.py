"""`Predictor`: runs a fine-tuned model on files without labels."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import copy
import dataclasses
import functools
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tqdm

from albert_tf import task_types
from albert_tf.data.beam_map import BeamMap
from albert_tf.data.row_report import RowReport
from albert_tf.data.workers import ordered_map
from albert_tf.errors import InputError, closest
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.modeling.precision import ReducedPrecision, replaced
from albert_tf.modeling.task_model import TaskModel
from albert_tf.task_types import TaskDescription, TaskType
from albert_tf.tasks import answer_files, batching
from albert_tf.tasks.answer_files import kept_names
from albert_tf.tasks.classification.zero_shot import ZeroShotTask
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningDataConfig
from albert_tf.tasks.partial_file import PartialFile, Stream
from albert_tf.tasks.text_answers import TextAnswers
from albert_tf.version import __version__

_OF_PREDICTOR = ("keep_columns", "explain")  # Settings that are not those of the task's config.
_SLOW = 3  # Progress of reading is shown after these seconds.
LONGEST = 512  # The sequence length for models that do not specify the one used in training.


def task_type(source: Source) -> TaskType:
    """Returns the task of a model; without a fine-tuned head, this is filling masked words.

    Raises:
      InputError: the model is only an encoder.
    """
    if source.task is not None and source.task.task != "fill_mask":
        return source.task.type
    if "masked_lm" not in source.heads:
        raise InputError(
            "Prediction needs a model with a head for a task or for masked words. Received "
            f"'{source.path}' ({source.format}) with "
            f"{', '.join(source.heads) or 'only an encoder'}. Fine-tune it first: "
            "`albert-tf train --gin_file finetune_table --help`. `albert-tf embed` needs no head."
        )
    return task_types.get("fill_mask")


def _check_length(seq_length: int | None) -> None:
    if seq_length is not None and seq_length < 1:
        raise InputError(
            f"seq_length must be at least 1. Received {seq_length}. Leave it out for that of the "
            "training."
        )


def _task(source: Source, config: Mapping[str, Any]) -> FineTuningTask:
    """Returns the task of a model; with labels to rank, this is ranking them."""
    row = task_type(source)
    task_class = ZeroShotTask if "candidates" in config else row.task_class
    known = [field.name for field in dataclasses.fields(task_class.config_class())]
    for name in config:
        if name not in known:
            raise InputError(
                f"A setting must be one of {row.name}, the task of the model. Received {name!r}. "
                f"{closest(name, known)}"
            )
    return task_class.from_source(source, **config)


class Window(NamedTuple):
    """The answers to rows that follow each other, and the remarks on all rows until them."""

    rows: int
    answers: list[dict[str, Any]]
    remarks: Mapping[str, Any]


class Predictor(TextAnswers):
    """A model with its task and vocabulary, ready to answer the examples in files.

    ```python
    predictor = Predictor("runs/reviews")
    for answer in predictor("new.csv"):
        print(answer["label"])
    ```

    Args:
      path_or_handle: a model with a head for a task or for masked words: anything that
        `formats.load.load` takes, such as the folder of a run, or its result.
      seq_length: the maximum sequence length in tokens; the one used in training by default.
      keep_columns: the columns of tables to put before each answer, as text. One that answers have
        too is named "input.NAME".
      **config: fields of the task's config to change, such as `top_k`; with `candidates`, those of
        `ZeroShotConfig`, and answers rank these labels.

    Attributes:
      source: what the model was read from.
      task: the `FineTuningTask`.
      model: the model with its weights; it removes padding.
      seq_length: the maximum sequence length.
      kept: the names in answers of the columns that are kept.
      reduced: products of less precision to compute with; see `with_products`.

    Raises:
      InputError: the model cannot be read, it has no head or no vocabulary, or its task does not
        read tables, of which columns should be kept.
    """

    def __init__(
        self,
        path_or_handle: str | os.PathLike | Source,
        seq_length: int | None = None,
        keep_columns: Sequence[str] = (),
        **config: Any,
    ) -> None:
        _check_length(seq_length)
        source = load(path_or_handle)
        self.source = source
        self.task = _task(source, config)
        self.model: TaskModel = self.task.MODEL.from_source(source, allow_partial=False)
        self.model.encoder.remove_padding = True
        settings = source.task.settings if source.task else {}
        longest = self.model.albert_config.max_position_embeddings
        self.seq_length = seq_length or min(int(settings.get("seq_length", LONGEST)), longest)
        if keep_columns and not self.task.KEEPS_COLUMNS:
            raise InputError(
                "Columns can be kept by tasks that read tables. Received --keep_columns "
                f"{','.join(keep_columns)} for {self.task.describe().task}. Leave it out."
            )
        self.task.keep_columns = tuple(dict.fromkeys(keep_columns))
        self.kept: list[str] = []
        if keep_columns:
            self.kept = kept_names(self.task.keep_columns, self.task.columns())
        self.settings = {**config, "keep_columns": list(self.task.keep_columns)}
        self.reduced: ReducedPrecision | None = None
        self._steps: dict[Hashable, Callable[..., dict[str, tf.Tensor]]] = {}

    def __call__(
        self, input_path: str | os.PathLike, batch_size: int = 32, seq_length: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yields an answer for each example of a file, in order.

        Args:
          input_path: a file in the task's format, or a glob.
          batch_size: the number of examples in a batch.
          seq_length: the maximum sequence length; that of the predictor by default.

        Raises:
          InputError: the file breaks a rule of its format; the error names the file and the line.
        """
        params = self.params(input_path, batch_size, seq_length)
        for window in self.windows(params):
            yield from window.answers

    def with_products(self, reduced: ReducedPrecision) -> Predictor:
        """Returns a predictor that computes with products of less precision."""
        other = copy.copy(self)
        other.reduced, other._steps = reduced, {}
        return other

    def outputs(self, examples: EncodedExamples, batch_size: int = 32) -> Outputs:
        """Returns what the model makes of examples."""
        batches = batching.evaluation_batches(examples.lengths, batch_size)
        steps = (self._run(examples.batch(batch), examples.choices) for batch in batches)
        return Outputs.gather(steps)

    def params(
        self, input_path: str | os.PathLike, batch_size: int = 32, seq_length: int | None = None
    ) -> FineTuningDataConfig:
        """Returns the files and settings of a prediction; arguments and errors are as above."""
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1. Received {batch_size}.")
        _check_length(seq_length)
        params = self.task.task_config.validation_data.replace(
            input_path=os.fspath(input_path),
            is_training=False,
            global_batch_size=batch_size,
            seq_length=seq_length or self.seq_length,
        )
        self.task.check_length(params)
        return params

    def write(
        self,
        params: FineTuningDataConfig,
        output: PartialFile | Stream,
        workers: int = 1,
        beam_map: BeamMap | None = None,
    ) -> None:
        """Writes the answers to the rows that an output does not have yet; see `windows`."""
        with output.writing():
            for window in self.windows(params, output.rows, output.remarks, workers, beam_map):
                output.add(*window)

    def windows(
        self,
        params: FineTuningDataConfig,
        start: int = 0,
        remarks: Mapping[str, Any] | None = None,
        workers: int = 1,
        beam_map: BeamMap | None = None,
    ) -> Iterator[Window]:
        """Yields the answers to `batching.POOL` batches at a time.

        All rows are read and checked first, and then read again for each window, unless files of
        their format have to be read as a whole. Memory does not depend on their number.

        Args:
          params: the result of `params`.
          start: the number of rows to skip; a multiple of the size of a window.
          remarks: the remarks of the last of these rows.
          workers: the number of processes; each loads the model.
          beam_map: takes the windows to the workers of Apache Beam instead.

        Raises:
          InputError: see `__call__`.
        """
        report = self.task.new_report(labelled=False)
        rows = self.task.rows(params, False, report)
        if isinstance(rows, list):
            total = len(rows)
        else:
            total = sum(1 for _ in _progress(rows, "read", delay=_SLOW, leave=False))
            rows = self.task.rows(params, False, self.task.new_report(labelled=False))
        report.show()
        size = self._window_size(params.global_batch_size)
        windows = answer_files.windows(itertools.islice(rows, start, None), size)
        if workers > 1 or beam_map:
            config = {n: v for n, v in self.settings.items() if n not in _OF_PREDICTOR}
            model = os.path.abspath(self.source.path), self.source.task, self.task.keep_columns
            model = (*model, self.settings.get("explain"), config)
            ordered = beam_map or functools.partial(ordered_map, workers=workers)
            answered = ordered(_answerer, (*model, params), windows)
        else:
            answered = self._answered(windows, params)
        report = self.task.new_report(labelled=False)
        report.add_remarks(remarks or {})
        with contextlib.closing(answered), _progress(None, "predict", total, initial=start) as bar:
            for window in answered:
                report.add_remarks(window.remarks)
                yield window._replace(remarks=report.to_dict()["remarks"])
                bar.update(window.rows)
        report.show()

    def _answered(
        self, windows: Iterable[list[Any]], params: FineTuningDataConfig
    ) -> Iterator[Window]:
        """Yields the answers to windows; while one is computed, the next one is encoded."""

        def encode(rows: list[Any]) -> tuple[list[Any], EncodedExamples, RowReport]:
            report = self.task.new_report(labelled=False)
            return rows, self.task.encode(rows, params, False, report), report

        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            pending: collections.deque[concurrent.futures.Future] = collections.deque()
            for rows in windows:
                pending.append(thread.submit(encode, rows))
                if len(pending) > 1:
                    yield self._window(*pending.popleft().result(), params.global_batch_size)
            while pending:
                yield self._window(*pending.popleft().result(), params.global_batch_size)

    def _window(
        self, rows: list[Any], examples: EncodedExamples, report: RowReport, batch_size: int
    ) -> Window:
        outputs = self.outputs(examples, batch_size)
        answers = list(self.task.answers(examples, outputs))
        if self._explainer is not None:
            explained = self._explainer.explain(rows, examples, outputs, batch_size, report)
            answers = [
                {**answer, "explanation": explanation}
                for answer, explanation in zip(answers, explained)
            ]
        if self.kept:
            answers = [
                {**dict(zip(self.kept, row.kept)), **answer} for row, answer in zip(rows, answers)
            ]
        return Window(len(rows), answers, report.to_dict()["remarks"])

    def _run(self, batch: Mapping[str, np.ndarray], choices: int | None) -> dict[str, tf.Tensor]:
        specs = {
            name: tf.TensorSpec([None] * value.ndim, tf.as_dtype(value.dtype))
            for name, value in batch.items()
        }
        if choices:
            names = ("input_word_ids", "input_mask", "input_type_ids")
            specs |= {name: tf.TensorSpec([None, choices, None], tf.int32) for name in names}
        # One graph for all shapes; labelled rows have further inputs.
        step = self._steps.get(key := frozenset(specs.items()))
        if step is None:
            step = self._steps[key] = tf.function(self._outputs, input_signature=[specs])
        return step(batch)

    def _outputs(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        with replaced(self.reduced):
            outputs = self.task.predicted(self.model, features)
        return {"example": features["example"], **outputs}

    def command(self, params: FineTuningDataConfig) -> dict[str, Any]:
        """Returns what the answers depend on, as JSON values: model, inputs and settings."""
        digest = hashlib.sha256(json.dumps(self.model.albert_config.to_dict()).encode())
        for name, content in sorted(self.task.folder_files().items()):
            digest.update(name.encode())
            digest.update(content.encode() if isinstance(content, str) else content.read_bytes())
        for variable in self.model.variables:
            digest.update(variable.numpy().tobytes())
        inputs = [
            {"path": str(path), "bytes": os.path.getsize(path), "sha256": sha256(path)}
            for path in self.task.paths(params)
        ]
        return {
            "version": __version__,
            "model": {"path": str(self.source.path), "sha256": digest.hexdigest()},
            "input": inputs,
            "batch_size": params.global_batch_size,
            "seq_length": params.seq_length,
            **self.settings,
        }


def _answerer(
    model: str,
    task: TaskDescription | None,
    keep_columns: Sequence[str],
    explain: Sequence[Any] | None,
    config: Mapping[str, Any],
    params: FineTuningDataConfig,
) -> Callable[[list[Any]], Window]:
    """Returns the function of a worker: the answers to a window."""
    source = dataclasses.replace(load(model), task=task)
    predictor = Predictor(source, None, keep_columns, **config)
    if explain is not None:
        predictor = predictor.explaining(*explain)
    return lambda rows: next(predictor._answered([rows], params))


def _progress(*args: Any, **kwargs: Any) -> tqdm.tqdm:
    return tqdm.tqdm(*args, unit=" rows", disable=None, **kwargs)


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
