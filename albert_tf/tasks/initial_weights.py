"""The weights that a new run begins with: whether they fit its model and vocabulary, and loading.

They are those of a model that exists, of any format; readers stand in `albert_tf.convert`, and
`modeling.pretrained` finds them. A pretraining says config and vocabulary itself, so that they are
checked here; a fine-tuning takes both from the weights, which starting_point.py does.
"""

from __future__ import annotations

import os

import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.modeling import pretrained
from albert_tf.tokenization.tokenizer import AlbertTokenizer


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
