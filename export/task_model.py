"""Exports a task model: writes a fine-tuned or pretrained model with its tokenizer, verifies it."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf import task_types
from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.files import check_new_directory
from albert_tf.formats.source import Source
from albert_tf.serving.limits import Limits
from albert_tf.serving.served_task import ServedTask
from albert_tf.serving.signatures import TF1_HUB
from albert_tf.task_types import EMBEDDING
from albert_tf.tasks.embedding.model import as_embedding
from albert_tf.tasks.predictor import Predictor, task_type
from albert_tf.tokenization.tokenizer import AlbertTokenizer

from . import manifest, model_card, precision, warmup, writer
from .verify import REDUCED_TOLERANCE, TOLERANCE, Case, verify

KIND = "task_model"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of an exported task model.

    Attributes:
      pooling: how to compute embeddings (see `AlbertEmbedder`), which are exported instead of the
        model's own task, as mode names separated by commas; "" exports the model's task.
      normalize: whether embeddings are divided by their length.
      dimensions: how many numbers of each embedding are kept; None for as many as the model.
      windows: what embeddings read of long texts; "" for what the model does.
      seq_length: the maximum sequence length; 0 for the length used in training, at most 512.
      pairs: whether a classifier takes two texts, if its training settings do not say so. Models
        of transformers never do.
      top_k: the number of candidates for each mask; None for 5.
      exit_threshold: the confidence above which texts leave a classifier before its last layer, if
        it has a head for each; None for the one that training determined.
      limits: how much a request may ask for.
      precision: the precision of the products.
    """

    pooling: str = ""
    normalize: bool = False
    dimensions: int | None = None
    windows: str = ""
    seq_length: int = 0
    pairs: bool = False
    top_k: int | None = None
    exit_threshold: float | None = None
    limits: Limits = Limits()
    precision: precision.Settings = precision.DEFAULTS

    @property
    def options(self) -> dict[str, Any]:
        """The given options that apply only to some tasks."""
        given = {name: getattr(self, name) for name in ("pairs", "top_k", "exit_threshold")}
        return {n: value for n, value in given.items() if value is not None and value is not False}


DEFAULTS = Settings()


@dataclasses.dataclass(frozen=True)
class TaskSource:
    """The task to export.

    Attributes:
      task: the served task, which contains the model.
      tokenizer: the tokenizer whose model file is stored in the artefact.
      config: the config of the encoder.
      labels: the labels of the task, if it has any.
      predictor: the predictor that `albert-tf predict` uses.
    """

    task: ServedTask
    tokenizer: AlbertTokenizer
    config: AlbertConfig
    labels: tuple[str, ...]
    predictor: Predictor

    def cases(self) -> Iterator[Case]:
        """Yields calls of all signatures with their expected outputs."""
        inputs, expected = self.task.expected(self._answers, self.predictor.task.task_config)
        if self.task.CALLED:
            texts = {"texts": next(iter(inputs.values()))}
            yield Case("call", texts, {"output": expected[self.task.CALLED]})
        if self.task.reduced is not None:
            yield from self._reduced_cases(inputs)
            return
        yield Case("signatures/serving_default", inputs, expected)
        # An object array, as dtype S drops the zero byte of a record whose last text is "".
        yield Case("signatures/examples", {"examples": warmup.records(inputs)}, expected)
        tokens = self._tokens()
        answers = self.task.answer(*map(tf.constant, tokens.values()))
        names = self.task.table["tokens"].outputs
        yield Case(
            "signatures/tokens", tokens, {name: _plain(answers[name].numpy()) for name in names}
        )

    def _reduced_cases(self, inputs: Mapping[str, np.ndarray]) -> Iterator[Case]:
        """Yields calls of the signatures with what they return in this process."""
        requests = inputs, {"examples": warmup.records(inputs)}, self._tokens()
        signatures = self.task.signatures()
        for name, values in zip(("serving_default", "examples", "tokens"), requests):
            names = self.task.table[name].inputs
            outputs = signatures[name](*(_tensor(values[n]) for n in names))
            yield Case(
                f"signatures/{name}", values, {n: _plain(x.numpy()) for n, x in outputs.items()}
            )

    def reduce(self, settings: precision.Settings) -> precision.Comparison | None:
        """Makes the signatures compute with less precision, and compares their answers.

        Returns None if they stay in float32.
        """
        reduced = precision.reduced(self.task.encoder, settings)
        if reduced is None:
            return None
        config = self.predictor.task.task_config
        step = writer.step(f"comparing {settings.precision} with float32")
        with step, tempfile.TemporaryDirectory() as folder:
            compared = precision.of_task(
                self.predictor,
                reduced,
                settings,
                lambda answer: self.task.expected(answer, config),
                Path(folder),
            )
        self.task.reduced = reduced
        return compared

    def _answers(self, ending: str, text: str) -> list[Mapping[str, Any]]:
        """Returns the answers of `albert-tf predict` for a file with this text."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"input{ending}")
            path.write_text(text, encoding="utf-8")
            return list(self.predictor(path))

    def _tokens(self) -> dict[str, np.ndarray]:
        """Returns random rows of 5 to 11 tokens, by the input names of the signature."""
        ids, *_ = self.task.table["tokens"].inputs.values()
        rng, sizes = np.random.default_rng(0), [3, 2, 11] if len(ids.axes) > 2 else [3, 11]
        values = rng.integers(1, len(self.task.special_ids) + 1, sizes, np.int32)
        mask = np.broadcast_to(np.arange(11) < rng.integers(5, 12, [*sizes[:-1], 1]), sizes)
        types = np.broadcast_to(np.arange(11) > 3, sizes) & mask
        return dict(zip(TF1_HUB, (array.astype(np.int32) for array in (values, mask, types))))


def _tensor(array: np.ndarray) -> tf.Tensor:
    return tf.constant(array.tolist() if array.dtype.kind in "UO" else array)


def _plain(array: np.ndarray) -> np.ndarray:
    return array.astype("S") if array.dtype == object else array


def read(path: str | os.PathLike | Source, settings: Settings = DEFAULTS) -> TaskSource:
    """Returns the task of a model.

    Args:
      path: anything that `formats.load.load` accepts, or its result.
      settings: the settings of the exported model.

    Raises:
      InputError: the model cannot be read, it has no vocabulary, or the settings do not apply to
        its task.
    """
    source = writer.read(path)
    embeds = settings.pooling, settings.normalize, settings.dimensions, settings.windows
    if embeds != ("", False, None, ""):
        _check_embeds(settings, source)
        source = as_embedding(source, *embeds)
    row = task_type(source)
    served = row.served_class
    for name in settings.options:
        if name not in served.OPTIONS:
            rows = [t.name for t in task_types.all_types() if name in t.served_class.OPTIONS]
            raise InputError(
                f"--{name} is supported for {', '.join(rows)} only. Received it for a "
                f"{row.name} model. Remove the flag."
            )
    _check_length(settings, source.config)
    config = served.config_of(settings.options)
    predictor = Predictor(source, settings.seq_length or None, **config)
    task, labels = served.from_predictor(predictor), predictor.task.describe().labels
    settings.limits.check(task.seq_length)
    task.limits = settings.limits
    return TaskSource(task, predictor.task.tokenizer, source.config, labels, predictor)


def _check_embeds(settings: Settings, source: Source) -> None:
    """Raises `InputError` if settings of embeddings are given for the model's own task."""
    task = source.task.task if source.task else "pretrained"
    if task != EMBEDDING and not (settings.pooling or settings.normalize):
        name = "dimensions" if settings.dimensions is not None else "windows"
        raise InputError(
            f"--{name} is for embeddings. Received it for a {task} model without --pooling. Pass "
            "--pooling mean to export embeddings, or remove the flag."
        )


def _check_length(settings: Settings, config: AlbertConfig) -> None:
    longest = config.max_position_embeddings
    if settings.seq_length > longest:
        raise InputError(
            "--seq_length must not exceed the length of the position table. Received --seq_length "
            f"{settings.seq_length} for a model with max_position_embeddings={longest}. Pass "
            f"{longest} or less."
        )


def export(
    source: str | os.PathLike | Source,
    base: str | os.PathLike,
    version: str = writer.NEXT,
    settings: Settings = DEFAULTS,
    check: bool = True,
    license: str = model_card.AS_SOURCE,
) -> Path:
    """Writes a model of any format for TensorFlow Serving, with raw text in and answers out.

    Args:
      source: a model with a head; embeddings do not need one. See `read`.
      base: the folder that contains all versions; see `writer.version_folder`.
      version: a whole number or "next".
      settings: the settings of the exported model.
      check: whether to load the artefact in a separate process and compare it with
        `albert-tf predict`.
      license: the licence of the weights, for the card and the manifest.

    Returns:
      The folder of the version.

    Raises:
      InputError: the version exists already, or `source` cannot be served (see `read`). Raised
        before anything is written.
      VerificationError: the answers of the artefact differ from those of `albert-tf predict`.
    """
    dest = check_new_directory(writer.version_folder(base, version), writer.WHAT)
    loaded = writer.read(source)
    with writer.step("loading the model"):
        exported = read(loaded, settings)
    compared = exported.reduce(settings.precision)
    task, tokenizer = exported.task, exported.tokenizer
    check_new_directory(dest, writer.WHAT, writer.size(task.model.variables))
    description = {
        "kind": KIND,
        "task": task.kind,
        "config": exported.config.to_dict(),
        "labels": list(exported.labels),
        **task.facts,
        "seq_length": task.seq_length,
        "limits": dataclasses.asdict(task.limits),
        "preprocessing": tokenizer.preprocessing.to_dict(),
        "license": license,
        **manifest.origin(loaded),
    }
    if compared is not None:
        precise = {"products": settings.precision.precision, **compared._asdict()}
        description["precision"] = precise
    tolerance = TOLERANCE if task.reduced is None else REDUCED_TOLERANCE
    with tempfile.TemporaryDirectory() as folder:
        files = writer.write_assets(Path(folder), tokenizer, exported.config)
        if exported.labels:
            files["labels"] = Path(folder, "labels.txt")
            files["labels"].write_text("".join(f"{label}\n" for label in exported.labels))
        return writer.write(
            task.module(files),
            dest,
            task.signatures(),
            description,
            model_card.task(description, task.table),
            (lambda path: verify(path, exported.cases(), tolerance)) if check else None,
            warmup.of_task(task),
        )
