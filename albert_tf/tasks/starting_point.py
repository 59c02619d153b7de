"""What a fine-tuning run begins with, by its flags and folder: a checkpoint, weights or nothing.

Config, vocabulary and labels come from there. initial_weights.py loads the weights into the model.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.task_types import TaskDescription
from albert_tf.tasks import initial_weights
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
        initial_weights.check_config(model.to_albert_config(), source)
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
    initial_weights.check_rows(
        source.config, tokenizer, f"'{source.path}' needs the vocabulary that it was trained with."
    )
    if theirs is None or tokenizer is theirs:
        return tokenizer
    initial_weights.check_same_vocabulary(tokenizer, theirs)
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
    initial_weights.check_rows(
        config,
        tokenizer,
        "Set the model's vocab_size to that; to begin with weights that exist, set INIT_FROM.",
    )
    return StartingPoint(config, tokenizer)
