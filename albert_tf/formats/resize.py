"""Sources of another size: new words in the word table, more positions, fewer layers.

The arrays are still read only when accessed.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence

import numpy as np

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.formats.source import Source, Stored, Weights
from albert_tf.tokenization.settings import Preprocessing

_WORDS = "encoder/embeddings/word_embeddings/embeddings"
_POSITIONS = "encoder/embeddings/position_embeddings/embeddings"
_BIAS = "masked_lm/output_bias"
_GROUP = re.compile(r"(?P<begin>encoder/stack/group_)(?P<group>\d+)(?P<end>_inner_.*)")
INITS = ("mean", "noise")
POSITIONS = ("repeated", "interpolated")
LAYERS = "layers: "  # The note of `with_layers`.


def with_words(
    source: Source,
    first: int,
    pieces: Sequence[Sequence[int]],
    preprocessing: Preprocessing,
    init: str = "mean",
    seed: int = 0,
) -> Source:
    """Returns a source whose word table has rows for new words.

    New words take the padding rows of a table first, which have no piece; then the table grows.
    Their output biases are the means of those of their pieces. With init "mean", the logit of a new
    word is then the mean of the logits of its pieces, so that it never exceeds all of them, and
    predictions stay the same until the model is trained.

    Args:
      source: the source.
      first: the id of the first new word.
      pieces: the ids that each new word has had so far.
      preprocessing: the settings with the new words.
      init: "mean" for the mean of the rows of the pieces, "noise" for random rows as those of a new
        model.
      seed: of the random rows.

    Raises:
      InputError: the table has fewer rows than there are pieces, or `init` is unknown.
    """
    if init not in INITS:
        raise InputError(f"init must be known. Received {init!r:.80}. {closest(init, INITS)}")
    config = source.config
    if config.vocab_size < first:
        raise InputError(
            "A word table must have a row for each piece before it can be extended. Received "
            f"{config.vocab_size} rows for {first} pieces in '{source.path}'. Use the vocabulary "
            "that the model was trained with."
        )
    rows = max(config.vocab_size, first + len(pieces))
    new = slice(first, first + len(pieces))

    def words(table: np.ndarray) -> np.ndarray:
        result = np.resize(table, [rows, table.shape[1]])
        if init == "mean":
            result[new] = [table[list(ids)].mean(0) for ids in pieces]
        else:
            result[new] = _truncated_normal(len(pieces), table.shape[1], seed)
            result[new] *= config.initializer_range
        return result

    def biases(bias: np.ndarray) -> np.ndarray:
        result = np.resize(bias, [rows])
        result[new] = [bias[list(ids)].mean() for ids in pieces]
        return result

    changed = _changed(source.weights, {_WORDS: words, _BIAS: biases}, rows)
    return dataclasses.replace(
        source,
        config=dataclasses.replace(config, vocab_size=rows),
        weights=changed,
        preprocessing=preprocessing,
    )


def with_positions(source: Source, length: int | None, positions: str = "repeated") -> Source:
    """Returns a source whose position table has `length` rows.

    Args:
      source: the source.
      length: the number of rows; None for those of the source.
      positions: "repeated" begins again with the first row after the last one, so that texts which
        the model can read already keep their outputs; "interpolated" stretches the table, with
        linear interpolation between neighbouring rows.

    Raises:
      InputError: the table would be shorter, or `positions` is unknown.
    """
    if positions not in POSITIONS:
        raise InputError(
            f"positions must be known. Received {positions!r:.80}. "
            f"{closest(str(positions)[:80], POSITIONS)}"
        )
    rows = source.config.max_position_embeddings
    if length is None or length == rows:
        return source
    config = dataclasses.replace(source.config, max_position_embeddings=length)
    if length < rows:
        raise InputError(
            "A position table can only become longer; shorter texts need no shorter table. "
            f"Received max_position_embeddings={length} for '{source.path}' with {rows}. Leave it "
            "out, and cut texts with seq_length."
        )

    def longer(table: np.ndarray) -> np.ndarray:
        if positions == "repeated":
            return np.resize(table, [length, table.shape[1]])
        places = np.linspace(0, rows - 1, length)
        below = np.minimum(places.astype(int), rows - 2) if rows > 1 else np.zeros(length, int)
        share = (places - below)[:, np.newaxis]
        above = np.minimum(below + 1, rows - 1)
        return ((1 - share) * table[below] + share * table[above]).astype(np.float32)

    return dataclasses.replace(
        source, config=config, weights=_changed(source.weights, {_POSITIONS: longer}, length)
    )


def layered(config: AlbertConfig, num_layers: int, model: str, more: bool) -> AlbertConfig:
    """Returns a config with another number of layers.

    Each layer runs all inner blocks of its group. There are as many groups as before, but at most
    one for each layer.

    Args:
      config: the config.
      num_layers: the number of layers.
      model: what the config belongs to, for errors.
      more: whether there may be more layers than before. They only begin to be useful: Lan et al.
        2020 (appendix A.1) pretrain deeper models from shallower ones.

    Raises:
      InputError: there would be no layer, or more layers than there may be.
    """
    layers = config.num_hidden_layers
    if type(num_layers) is not int or num_layers < 1 or (num_layers > layers and not more):
        most = "1 or more" if more else f"from 1 to the {layers} of the initial weights"
        raise InputError(
            f"NUM_LAYERS must be a number of layers, {most}. Received "
            f"NUM_LAYERS={num_layers!r:.80} for {model}. Change it, or leave it out for as many as "
            "there are."
        )
    groups = min(config.num_hidden_groups, num_layers)
    return dataclasses.replace(config, num_hidden_layers=num_layers, num_hidden_groups=groups)


def with_layers(source: Source, num_layers: int | None, more: bool = False) -> Source:
    """Returns a source with another number of layers, spread evenly over the groups as before.

    Of more groups than layers, group (i + 1) * groups // layers - 1 becomes group i: the last of
    each equal part.

    Args:
      source: the source.
      num_layers: the number of layers; None for those of the source.
      more: see `layered`.

    Raises:
      InputError: see `layered`; or the model has a head for each layer.
    """
    if num_layers is None:
        return source
    config, groups = source.config, source.config.num_hidden_groups
    result = layered(config, num_layers, f"'{source.path}'", more)
    exits = source.task.settings.get("early_exit") if source.task else ""
    if exits and num_layers != config.num_hidden_layers:
        raise InputError(
            "A model with a head for each layer must keep its layers. Received "
            f"NUM_LAYERS={num_layers} for '{source.path}' with EARLY_EXIT={exits!r}. Start from "
            "the model that it was trained from, or write it without the heads with `albert-tf "
            "convert --allow_partial`."
        )
    count = result.num_hidden_groups
    kept = {(i + 1) * groups // count - 1: i for i in range(count)}
    names = {}
    for name in source.weights:
        match = _GROUP.match(name)
        if match is None:
            names[name] = name
        elif int(match["group"]) in kept:
            names[f"{match['begin']}{kept[int(match['group'])]}{match['end']}"] = name
    weights = {
        new: Stored(source.weights.shape(old), functools.partial(source.weights.__getitem__, old))
        for new, old in names.items()
    }
    note = f"{LAYERS}{num_layers} from {config.num_hidden_layers}"
    return dataclasses.replace(
        source, config=result, weights=Weights(weights), notes=(*source.notes, note)
    )


def _changed(
    weights: Weights, changes: dict[str, Callable[[np.ndarray], np.ndarray]], rows: int
) -> Weights:
    """Returns the weights with a function applied to some, after which they have `rows` rows."""

    def changed(name: str) -> Stored:
        shape = weights.shape(name)
        if name not in changes:
            return Stored(shape, lambda: weights[name])
        return Stored((rows, *shape[1:]), lambda: changes[name](weights[name]))

    return Weights({name: changed(name) for name in weights})


def _truncated_normal(rows: int, width: int, seed: int) -> np.ndarray:
    """Returns normal numbers of which those beyond two standard deviations are drawn again."""
    generator = np.random.default_rng(seed)
    values = generator.standard_normal([rows, width])
    while (far := np.abs(values) > 2).any():
        values[far] = generator.standard_normal(int(far.sum()))
    return values.astype(np.float32)
