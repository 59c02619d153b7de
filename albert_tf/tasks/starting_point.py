"""What a run begins with: a checkpoint of its folder, the weights of another model, or nothing.

A fine-tuning run takes config, vocabulary and labels from its initial weights (`find`). A
pretraining run states its config and vocabulary, which are checked against them (`check_weights`).
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.modeling import pretrained
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.model_config import ModelConfig
from albert_tf.tokenization.tokenizer import AlbertTokenizer


@dataclasses.dataclass(frozen=True)
class StartingPoint:
    """Where a run begins.

    Attributes:
      config: of the encoder.
      tokenizer: with the settings of the weights.
      source: what `convert.load` read; None for random weights, and for a run that goes on, whose
        checkpoint the runner restores.
      task: what the weights were fine-tuned for, if they were.
      goes_on: whether the run's folder has a checkpoint.
    """

    config: AlbertConfig
    tokenizer: AlbertTokenizer
    source: Source | None = None
    task: TaskDescription | None = None
    goes_on: bool = False


def find(
    init_from: str, from_scratch: bool, model: ModelConfig, vocab_file: str, folder: str
) -> StartingPoint:
    """Returns where a run begins.

    Args:
      init_from: folder, checkpoint or handle of any format of `albert_tf.convert`.
      from_scratch: whether random weights of `model` are wanted.
      model: sizes for random weights; its defaults, or those of the weights, otherwise.
      vocab_file: a SentencePiece model; "" for the one that lies with the weights.
      folder: of the run; its checkpoint, if there is one, comes before `init_from`.

    Raises:
      InputError: there is nothing to begin with, or the parts do not fit each other.
    """
    if folder and tf.train.latest_checkpoint(folder):
        config = AlbertConfig.from_json_file(Path(folder) / "albert_config.json")
        if model != ModelConfig() and (
            differing := "; ".join(model.to_albert_config().misfits(config))
        ):
            raise InputError(
                f"A run goes on with the model of its folder. Received '{folder}' with "
                f"{differing}. Leave MODEL out, or begin in another --model_dir."
            )
        return StartingPoint(
            config,
            AlbertTokenizer.from_pretrained(folder),
            task=TaskDescription.beside(folder),
            goes_on=True,
        )
    if not init_from:
        return _from_scratch(from_scratch, model, vocab_file)
    if from_scratch:
        raise InputError(
            "A run begins with weights or from scratch. Received both: "
            f"INIT_FROM='{init_from}' and FROM_SCRATCH=True. Leave one out."
        )
    source = load(init_from)
    if model != ModelConfig():
        check_config(model.to_albert_config(), source)
    tokenizer = tokenizer_of(source, vocab_file)
    return StartingPoint(source.config, tokenizer, source, source.task)


def tokenizer_of(source: Source, vocab_file: str = "") -> AlbertTokenizer:
    """Returns the tokenizer of weights.

    Args:
      source: what `convert.load` read.
      vocab_file: a SentencePiece model, needed where none lies with the weights, else the same.

    Raises:
      InputError: there is none, or it is not the one of the weights.
    """
    settings = source.preprocessing.to_dict() if source.preprocessing else {}
    if source.model_file is None and not vocab_file:
        raise InputError(
            "Weights must come with their vocabulary. Received "
            f"'{source.path}' ({source.format}) without a SentencePiece model. Set "
            "--gin.VOCAB=FILE.model, the one they were trained with."
        )
    theirs = AlbertTokenizer(source.model_file, **settings) if source.model_file else None
    tokenizer = AlbertTokenizer.from_pretrained(vocab_file) if vocab_file else theirs
    check_rows(
        source.config, tokenizer, f"'{source.path}' needs the vocabulary that it was trained with."
    )
    if theirs is None or tokenizer is theirs:
        return tokenizer
    check_same_vocabulary(tokenizer, theirs)
    if source.preprocessing is not None:
        theirs.preprocessing.check_same(
            tokenizer.preprocessing, f"'{source.path}'", f"VOCAB='{vocab_file}'"
        )
    return tokenizer


def _from_scratch(from_scratch: bool, model: ModelConfig, vocab_file: str) -> StartingPoint:
    if not from_scratch:
        raise InputError(
            "Fine-tuning must begin with pretrained weights, or it learns little. Received no "
            "INIT_FROM. Set --gin.INIT_FROM=FOLDER (any format that `albert-tf inspect` reads), or "
            "--gin.FROM_SCRATCH=True if random weights are meant."
        )
    if not vocab_file:
        raise InputError(
            "A model from scratch must have a vocabulary. Received no VOCAB. Set "
            "--gin.VOCAB=FILE.model (`albert-tf vocab` trains one)."
        )
    config, tokenizer = model.to_albert_config(), AlbertTokenizer.from_pretrained(vocab_file)
    check_rows(
        config,
        tokenizer,
        "Set the model's vocab_size to that; to begin with weights that exist, set INIT_FROM.",
    )
    return StartingPoint(config, tokenizer)


def check_weights(path_or_handle: str, config: AlbertConfig, tokenizer: AlbertTokenizer) -> None:
    """Checks config and vocabulary of a run against its initial weights; reads no weight.

    Args:
      path_or_handle: what `from_pretrained` reads.
      config: of the run's model.
      tokenizer: of the run; compared where a SentencePiece model lies with the weights.

    Raises:
      InputError: nothing readable lies there, or it was made for another model or vocabulary.
    """
    source = load(path_or_handle)
    check_config(config, source)
    if source.model_file is not None:
        check_same_vocabulary(tokenizer, AlbertTokenizer(source.model_file))


def check_config(config: AlbertConfig, source: Source) -> None:
    """Raises `InputError` unless a model of `config` has a place for the weights of `source`."""
    if differing := "; ".join(config.misfits(source.config)):
        raise InputError(
            f"The model must have the config of its initial weights. Received '{source.path}' with "
            f"{differing}. Set these, or let MODEL be theirs: leave it out of a fine-tuning, set "
            "MODEL = @model_config.from_pretrained() in a pretraining."
        )


def check_rows(config: AlbertConfig, tokenizer: AlbertTokenizer, remedy: str) -> None:
    """Raises `InputError`, with `remedy`, unless each piece has one row of the word table."""
    rows, pieces = config.vocab_size, tokenizer.vocab_size
    if rows == pieces:
        return
    raise InputError(
        f"The model must have a row for each piece of the vocabulary. Received vocab_size={rows} "
        f"for '{tokenizer.model_file}' with {pieces} pieces. {remedy}"
    )


def check_same_vocabulary(tokenizer: AlbertTokenizer, theirs: AlbertTokenizer) -> None:
    """Raises `InputError` unless a run's vocabulary, `tokenizer`, is that of its weights."""
    if tokenizer.model_proto != theirs.model_proto:
        raise InputError(
            "The vocabulary must be the one that the weights were trained with, or ids mean other "
            f"pieces. Received VOCAB='{tokenizer.model_file}' for weights with "
            f"'{theirs.model_file}', which {_difference(tokenizer.pieces, theirs.pieces)}. Set "
            "VOCAB to that one."
        )


def load_weights(model: tf_keras.Model, path_or_source: str | os.PathLike | Source) -> str:
    """Sets the encoder of `model`, and those heads that both have.

    Args:
      model: an `AlbertPretrainer` or a task model, with its encoder as `encoder`.
      path_or_source: what `from_pretrained` reads, or what `convert.load` has read.

    Returns:
      A line for the user: how many variables of each part were loaded, and what stays new.

    Raises:
      InputError: a weight of the encoder is missing (the pooler may be), or has another shape.
        No variable is changed then.
    """
    is_path = isinstance(path_or_source, (str, os.PathLike))
    source = load(path_or_source) if is_path else path_or_source
    held = set(source.weights)
    wanted = {name: part for name, part in source.parts.items() if hasattr(model, part)}
    missing = [n for n, part in wanted.items() if part == "encoder" and n not in held]
    if any("/pooler/" not in name for name in missing):
        raise InputError(
            "Initial weights must hold every weight of the encoder. Received "
            f"'{source.path}' ({source.format}) without {', '.join(missing[:5])}."
        )
    # Partial: heads of the source may have no place here, and new heads none there.
    report = pretrained.assign(model, source, allow_partial=True)
    return f"{_summary(wanted, report)}, from '{source.path}' ({source.format})"


def _summary(wanted: dict[str, str], report: pretrained.Report) -> str:
    counts = {}
    for name, part in wanted.items():
        loaded, all_ = counts.get(part, (0, 0))
        counts[part] = (loaded + (name in report.assigned), all_ + 1)
    text = ", ".join(f"{part} {n} of {all_}" for part, (n, all_) in counts.items())
    return f"loaded variables: {text}" + (
        f"; new: {', '.join(report.unset)}" if report.unset else ""
    )


def _difference(ours: list[str], theirs: list[str]) -> str:
    for index, (our, their) in enumerate(zip(ours, theirs)):
        if our != their:
            return f"has {their!r} for id {index} where this one has {our!r}"
    if len(ours) != len(theirs):
        return f"has {len(theirs)} pieces where this one has {len(ours)}"
    return "has the same pieces with other scores or rules"
