"""Determines what a run starts from: its own checkpoint, another model, or random weights.

A fine-tuning run takes its config, vocabulary and labels from the initial weights (`find`). A
pretraining run sets its config and vocabulary, which must match the weights (`check_weights`).
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import tf_keras
from absl import logging

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import resize
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.formats.tf_checkpoint import find_prefix
from albert_tf.modeling import pretrained
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.model_config import ModelConfig
from albert_tf.tokenization.tokenizer import AlbertTokenizer

# The most rows that a word table is padded with, to a multiple of a power of 2.
_MOST_PADDING = 1024


@dataclasses.dataclass(frozen=True)
class StartingPoint:
    """The starting point of a run.

    Attributes:
      config: the config of the encoder.
      tokenizer: the tokenizer, with the preprocessing settings of the weights.
      source: the result of `formats.load`. None for random weights, and for a run that resumes,
        because the runner restores its checkpoint.
      task: the task that the weights were fine-tuned for; None if they were not fine-tuned.
      resumes: whether the run's folder has a checkpoint.
    """

    config: AlbertConfig
    tokenizer: AlbertTokenizer
    source: Source | None = None
    task: TaskDescription | None = None
    resumes: bool = False


def find(
    init_from: str,
    from_scratch: bool,
    model: ModelConfig,
    vocab_file: str,
    folder: str,
    num_layers: int | None = None,
) -> StartingPoint:
    """Returns the starting point of a run.

    Args:
      init_from: a folder, checkpoint or handle in any format of `albert_tf.formats`.
      from_scratch: whether to start from random weights.
      model: the sizes for random weights. With other weights, it must have the default sizes or
        those of the weights.
      vocab_file: a vocabulary; "" for the one stored with the weights.
      folder: the folder of the run; a checkpoint in it takes precedence over `init_from`.
      num_layers: the number of layers of `init_from` to keep; None for all.

    Raises:
      InputError: there is nothing to start from, or the arguments are not consistent.
    """
    if folder and find_prefix(Path(folder)):
        config = AlbertConfig.from_json_file(Path(folder) / "albert_config.json")
        if model != ModelConfig() and (
            differing := "; ".join(model.to_albert_config().misfits(config))
        ):
            raise InputError(
                f"A run must resume with the model in its folder. Received '{folder}' with "
                f"{differing}. Leave MODEL out, or start a new run in another --model_dir."
            )
        if num_layers not in (None, config.num_hidden_layers):
            raise InputError(
                "A run must resume with the model in its folder. Received "
                f"NUM_LAYERS={num_layers!r:.80} for '{folder}' with {config.num_hidden_layers} "
                "layers. Leave it out, or start a new run in another --model_dir."
            )
        return StartingPoint(
            config,
            AlbertTokenizer.from_pretrained(folder),
            task=TaskDescription.beside(folder),
            resumes=True,
        )
    if not init_from and from_scratch and num_layers is not None:
        raise InputError(
            "NUM_LAYERS keeps some layers of initial weights. Received "
            f"NUM_LAYERS={num_layers!r:.80} with FROM_SCRATCH=True. Set INIT_FROM, or the "
            "num_hidden_layers of MODEL."
        )
    if not init_from:
        return _from_scratch(from_scratch, model, vocab_file)
    if from_scratch:
        raise InputError(
            "A run must start either from weights or from scratch. Received both: "
            f"INIT_FROM='{init_from}' and FROM_SCRATCH=True. Leave one out."
        )
    source = resize.with_layers(load(init_from), num_layers)
    if model != ModelConfig():
        check_config(model.to_albert_config(), source)
    tokenizer = tokenizer_of(source, vocab_file)
    return StartingPoint(source.config, tokenizer, source, source.task)


def tokenizer_of(source: Source, vocab_file: str = "") -> AlbertTokenizer:
    """Returns the tokenizer that belongs to the weights.

    Args:
      source: the result of `formats.load`.
      vocab_file: a vocabulary. Needed if none is stored with the weights; otherwise it
        must be the same.

    Raises:
      InputError: there is no vocabulary, or it does not belong to the weights.
    """
    settings = source.preprocessing.to_dict() if source.preprocessing else {}
    if source.model_file is None and not vocab_file:
        raise InputError(
            "Weights must come with their vocabulary. Received "
            f"'{source.path}' ({source.format}) without a SentencePiece model "
            "or vocab.txt. Set --gin.VOCAB=FILE to the one that they were trained with."
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
            "Fine-tuning must start from pretrained weights, or it learns little. Received no "
            "INIT_FROM. Set --gin.INIT_FROM=FOLDER (any format that `albert-tf inspect` reads), or "
            "--gin.FROM_SCRATCH=True to start from random weights."
        )
    if not vocab_file:
        raise InputError(
            "A model trained from scratch must have a vocabulary. Received no VOCAB. Set "
            "--gin.VOCAB=FILE.model (`albert-tf vocab` trains one)."
        )
    config, tokenizer = model.to_albert_config(), AlbertTokenizer.from_pretrained(vocab_file)
    check_rows(
        config,
        tokenizer,
        "Set vocab_size to the number of pieces, or set INIT_FROM to start from existing weights.",
    )
    return StartingPoint(config, tokenizer)


def check_weights(
    path_or_handle: str,
    config: AlbertConfig,
    tokenizer: AlbertTokenizer,
    positions: str = resize.POSITIONS[0],
    num_layers: int | None = None,
) -> None:
    """Checks the config and vocabulary of a run against its initial weights; reads no weights.

    Args:
      path_or_handle: anything that `from_pretrained` reads.
      config: the config of the run's model.
      tokenizer: the tokenizer of the run; compared if the weights come with a vocabulary.
      positions: how a position table becomes longer, if the run's model reads longer texts.
      num_layers: the number of layers; None for those of the weights.

    Raises:
      InputError: the weights cannot be read, or belong to another model or vocabulary.
    """
    source = resize.with_layers(load(path_or_handle), num_layers, more=True)
    source = _lengthened(source, config, positions)
    check_config(config, source)
    if source.model_file is not None:
        check_same_vocabulary(tokenizer, AlbertTokenizer(source.model_file))


def _lengthened(source: Source, config: AlbertConfig, positions: str) -> Source:
    """Returns the source with the positions of `config`, if these are more."""
    rows = max(config.max_position_embeddings, source.config.max_position_embeddings)
    return resize.with_positions(source, rows, positions)


def check_config(config: AlbertConfig, source: Source) -> None:
    """Raises `InputError` unless the weights of `source` fit a model of `config`."""
    if differing := "; ".join(config.misfits(source.config)):
        raise InputError(
            f"The model must have the config of its initial weights. Received '{source.path}' with "
            f"{differing}. Set these values, or take MODEL from the weights: in fine-tuning leave "
            "it out, in pretraining set MODEL = @model_config.from_pretrained()."
        )


def check_rows(config: AlbertConfig, tokenizer: AlbertTokenizer, remedy: str) -> None:
    """Checks that the word table has a row for each piece, and few more.

    Tables are often padded to a multiple of 8 to 1024 rows. No piece has the rows more, so masking
    does not draw them and predictions leave them out. A larger difference means another vocabulary.

    Raises:
      InputError: the table is smaller than the vocabulary, or much larger; ends with `remedy`.
    """
    rows, pieces = config.vocab_size, tokenizer.vocab_size
    if pieces < rows <= pieces + _MOST_PADDING:
        logging.info(
            "The word table has %d rows for %d pieces; the %d rows more are never predicted.",
            rows,
            pieces,
            rows - pieces,
        )
    elif rows != pieces:
        raise InputError(
            "The model must have one row for each piece of the vocabulary, and at most "
            f"{_MOST_PADDING} rows more, as padding. Received vocab_size={rows} for "
            f"'{tokenizer.model_file}' with {pieces} pieces. {remedy}"
        )


def check_same_vocabulary(tokenizer: AlbertTokenizer, theirs: AlbertTokenizer) -> None:
    """Raises `InputError` unless a run has the vocabulary of its weights, `theirs`."""
    if tokenizer.model_proto != theirs.model_proto:
        raise InputError(
            "The vocabulary must be the one that the weights were trained with, or ids map to "
            f"different pieces. Received VOCAB='{tokenizer.model_file}' for weights with "
            f"'{theirs.model_file}', which {_difference(tokenizer.pieces, theirs.pieces)}. Set "
            "VOCAB to the vocabulary of the weights."
        )


def load_weights(
    model: tf_keras.Model,
    path_or_source: str | os.PathLike | Source,
    positions: str = resize.POSITIONS[0],
    num_layers: int | None = None,
) -> str:
    """Loads the encoder of `model`, and the heads that model and source share.

    Args:
      model: an `AlbertPretrainer` or a task model, with its encoder as `encoder`.
      path_or_source: anything that `from_pretrained` reads, or the result of `formats.load`.
      positions: how the position table becomes longer, if that of the model is.
      num_layers: the number of layers; None for those of the weights.

    Returns:
      A line for the user: how many variables of each part were loaded, and which are new.

    Raises:
      InputError: a weight of the encoder other than the pooler is missing, or a shape differs. In
        these cases no variable is changed.
    """
    stored = resize.with_layers(load(path_or_source), num_layers, more=True)
    source = _lengthened(stored, model.albert_config, positions)
    held = set(source.weights)
    wanted = {name: part for name, part in source.parts.items() if hasattr(model, part)}
    missing = [n for n, part in wanted.items() if part == "encoder" and n not in held]
    if any("/pooler/" not in name for name in missing):
        raise InputError(
            "Initial weights must include every weight of the encoder. Received "
            f"'{source.path}' ({source.format}) without {', '.join(missing[:5])}."
        )
    # Partial, because the model may lack heads of the source, and the source new heads.
    report = pretrained.assign(model, source, allow_partial=True)
    rows = [s.config.max_position_embeddings for s in (stored, source)]
    shorter = "".join(f"; {note}" for note in source.notes if note.startswith(resize.LAYERS))
    longer = f"; {rows[0]} positions {positions} to {rows[1]}" if rows[0] < rows[1] else ""
    return f"{_summary(wanted, report)}, from {source}{longer}{shorter}"


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
            return f"maps id {index} to {their!r} instead of {our!r}"
    if len(ours) != len(theirs):
        return f"has {len(theirs)} pieces instead of {len(ours)}"
    return "has the same pieces with different scores or rules"
