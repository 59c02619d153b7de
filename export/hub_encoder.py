"""Exports an encoder for TF-Hub: reads a model of any format, writes a SavedModel, verifies it."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.files import check_new_directory
from albert_tf.formats import names
from albert_tf.formats.source import Source
from albert_tf.modeling import pretrained
from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.serving.hub_encoder import HubEncoder
from albert_tf.serving.limits import DEFAULTS, Limits
from albert_tf.serving.shared_model import SharedModel
from albert_tf.serving.signatures import FAMILIES, TF1_HUB
from albert_tf.tokenization.tokenizer import AlbertTokenizer

from . import manifest, model_card, warmup, writer
from .precision import FLOAT32, Settings, of_encoder, reduced
from .verify import REDUCED_TOLERANCE, TOLERANCE, Case, verify

KIND = "hub_encoder"


def export(
    source: str | os.PathLike | Source,
    dest: str | os.PathLike,
    vocab: str | os.PathLike | None = None,
    check: bool = True,
    remove_padding: bool = True,
    version: str | None = None,
    license: str = model_card.AS_SOURCE,
    limits: Limits = DEFAULTS,
    precision: Settings | str = FLOAT32,
) -> Path:
    """Writes the encoder of `source`, with its heads, as a TF-Hub SavedModel.

    Args:
      source: anything that `albert_tf.formats.load.load` accepts, such as a training folder, or
        its result.
      dest: the folder to create; it must be new or empty.
      vocab: a vocabulary file or a folder with one, used instead of the one in `source`.
      check: whether to load the artefact in a separate process and compare it with the source.
      remove_padding: whether signatures skip padding (see `HubEncoder`).
      version: a version for TensorFlow Serving, which expects NAME/VERSION. If given, the folder
        of this version is created in `dest` (see `writer.version_folder`).
      license: the licence of the weights, for the card and the manifest.
      limits: of which `tokens` is how much a request to a signature may ask for.
      precision: the precision of the products in signatures, or its settings. Calls of the module,
        which can be trained, are in float32.

    Returns:
      The folder that was created.

    Raises:
      InputError: `dest` is not empty, `version` or `precision` is invalid, `source` is not a model
        or has no vocabulary, or the vocabulary has more pieces than the model has ids, the limits
        do not admit the requests of warmup, or the outputs with less precision drift too far.
        Raised before anything is written.
      VerificationError: the outputs of the artefact differ from those of its source.
    """
    settings = precision if isinstance(precision, Settings) else Settings(precision)
    dest = check_new_directory(
        dest if version is None else writer.version_folder(dest, version), writer.WHAT
    )
    loaded = writer.read(source)
    tokenizer = _tokenizer(loaded, vocab)
    with writer.step("loading the model"):
        model = _model(loaded, tokenizer.vocab_size)
    entries = manifest.origin(loaded)
    model.reduced = reduced(model.encoder, settings)
    if model.reduced is not None:
        with writer.step(f"comparing {settings.precision} with float32"):
            compared = of_encoder(model, tokenizer, settings)
        entries["precision"] = {"products": settings.precision, **compared._asdict()}
    rest = dest, check, remove_padding, license, limits, entries
    return write(model, loaded.config, tokenizer, *rest)


def write(
    model: SharedModel,
    config: AlbertConfig,
    tokenizer: AlbertTokenizer,
    dest: str | os.PathLike,
    check: bool = True,
    remove_padding: bool = True,
    license: str = model_card.AS_SOURCE,
    limits: Limits = DEFAULTS,
    origin: Mapping[str, Any] | None = None,
) -> Path:
    """Writes a model that is already in memory; see `export`.

    Args:
      model: the encoder and the heads to export, with products of less precision if it has them.
      config: the config of the model.
      tokenizer: the tokenizer whose model file and settings are stored in the artefact.
      dest: the folder to create; it must be new or empty.
      check: as in `export`.
      remove_padding: as in `export`.
      license: as in `export`.
      limits: as in `export`.
      origin: further entries of the manifest, such as the result of `manifest.origin`.

    Raises:
      InputError: `dest` is not empty, the vocabulary does not match the model, or the limits do not
        admit the requests of warmup.
      VerificationError: as in `export`.
    """
    weights = itertools.chain.from_iterable(model.variables().values())
    check_new_directory(dest, writer.WHAT, writer.size(weights))
    _check_vocabulary(tokenizer, config)
    limits.check(min(config.max_position_embeddings, warmup.TOKENS[-1]))
    with tempfile.TemporaryDirectory() as folder:
        files = writer.write_assets(Path(folder), tokenizer, config)
        lower_case, cls_id = tokenizer.preprocessing.lower_case, tokenizer.cls_id
        module = HubEncoder(model, lower_case, files, remove_padding, cls_id, limits)
        signatures = module.signatures()
        description = _description(model, config, tokenizer)
        description = {**(origin or {}), **description}
        description |= {"limits": {"tokens": limits.tokens}, "license": license}
        return writer.write(
            module,
            dest,
            signatures,
            description,
            model_card.encoder(description, signatures),
            (lambda path: _verify(path, model, config, remove_padding)) if check else None,
            warmup.of_encoder(signatures, config.max_position_embeddings, tokenizer.mask_id),
        )


def _verify(path: Path, model: SharedModel, config: AlbertConfig, remove_padding: bool) -> None:
    tolerance = TOLERANCE if model.reduced is None else REDUCED_TOLERANCE
    verify(path, cases(model, config, remove_padding), tolerance)


def _model(source: Source, pieces: int) -> SharedModel:
    """Returns the encoder and the heads whose weights are complete."""
    pretrainer = AlbertPretrainer(source.config, name="pretrainer")
    for head in set(names.HEADS) - set(source.heads):
        # Random weights must not be exported, and `assign` rejects variables without weights.
        delattr(pretrainer, head)
        logging.warning("'%s' has no weights for %s; exporting without it.", source.path, head)
    pretrained.assign(pretrainer, source)
    return SharedModel(
        pretrainer.encoder,
        *(getattr(pretrainer, head, None) for head in names.HEADS),
        pieces if pieces < source.config.vocab_size else None,
    )


def _tokenizer(source: Source, vocab: str | os.PathLike | None) -> AlbertTokenizer:
    if vocab is not None:
        return AlbertTokenizer.from_pretrained(vocab)
    if source.model_file is None:
        raise InputError(
            "A hub encoder must include its vocabulary. Received "
            f"'{source.path}', which has none. Pass it with --vocab."
        )
    settings = source.preprocessing.to_dict() if source.preprocessing else {}
    return AlbertTokenizer(source.model_file, **settings)


def _check_vocabulary(tokenizer: AlbertTokenizer, config: AlbertConfig) -> None:
    if tokenizer.vocab_size > config.vocab_size:
        raise InputError(
            "A vocabulary must not have more pieces than the model has ids. Received "
            f"'{tokenizer.model_file}' with {tokenizer.vocab_size} pieces for a model with "
            f"vocab_size={config.vocab_size}. Pass the one that the model was trained with."
        )


def _description(
    model: SharedModel, config: AlbertConfig, tokenizer: AlbertTokenizer
) -> dict[str, Any]:
    return {
        "kind": KIND,
        "config": config.to_dict(),
        "parameters": {part: _size(variables) for part, variables in model.variables().items()},
        "preprocessing": tokenizer.preprocessing.to_dict(),
    }


def _size(variables: Iterable[tf.Variable]) -> int:
    return sum(variable.shape.num_elements() for variable in variables)


def cases(model: SharedModel, config: AlbertConfig, remove_padding: bool) -> Iterator[Case]:
    """Yields calls of every kind with the expected outputs, computed eagerly by the Keras layers.

    Those of signatures with less precision are computed in a graph.

    Args:
      model: the source.
      config: the config of the source.
      remove_padding: whether signatures return zeros for padding.
    """
    rng = np.random.default_rng(0)
    rows, length, masked = 3, min(11, config.max_position_embeddings), 2
    ids = rng.integers(0, config.vocab_size, [rows, length], np.int32)
    mask = (np.arange(length) < [[length], [max(1, length // 2)], [1]]).astype(np.int32)
    types = rng.integers(0, config.type_vocab_size, [rows, length], np.int32)
    positions = rng.integers(0, length, [rows, masked], np.int32)
    outputs = _numbers(model.encoder([tf.constant(x) for x in (ids, mask, types)]))
    of_signatures = outputs
    if model.reduced is not None:
        inputs = {n: tf.constant(x) for n, x in zip(TF1_HUB, (ids, mask, types))}
        reduced = model.encode(inputs, TF1_HUB, real_tokens=remove_padding, reduce=True)
        of_signatures = _numbers({**reduced})
    tokens = {key: of_signatures[key] for key in ("pooled_output", "sequence_output")}
    if remove_padding:
        tokens["sequence_output"] = tokens["sequence_output"] * mask[:, :, np.newaxis]
    for family in FAMILIES:
        inputs = dict(zip(family, (ids, mask, types)))
        name = f"call/{family.ids} {family.mask}"
        yield Case(name, inputs, {**outputs, "default": outputs["pooled_output"]})
    inputs = dict(zip(TF1_HUB, (ids, mask, types)))
    for name in ("serving_default", "tokens"):
        yield Case(f"signatures/{name}", inputs, tokens)
    if model.masked_lm is not None:

        def logits(sequence_output: np.ndarray) -> np.ndarray:
            return model.masked_lm_logits(sequence_output, tf.constant(positions)).numpy()

        inputs_mlm = {**inputs, TF1_HUB.positions: positions}
        flat = logits(tokens["sequence_output"]).reshape([rows * masked, config.vocab_size])
        yield Case("signatures/mlm", inputs_mlm, {**tokens, "mlm_logits": flat})
        dense = {**outputs, "mlm_logits": logits(outputs["sequence_output"])}
        yield Case("mlm", inputs_mlm, dense)
    if model.sentence_order is not None:
        log_probs = tf.nn.log_softmax(model.sentence_order(tokens["pooled_output"])).numpy()
        yield Case("signatures/sop", inputs, {**tokens, "sop_log_probs": log_probs})


def _numbers(outputs: dict[str, Any]) -> dict[str, np.ndarray]:
    layers = outputs.pop("encoder_outputs")
    numbers = {f"encoder_outputs.{i}": layer.numpy() for i, layer in enumerate(layers)}
    return {**numbers, **{key: value.numpy() for key, value in outputs.items()}}
