"""Normalises the encoder's inputs, in any form the caller passes them, to one dict.

Letters used in shapes throughout this package: B batch size, S sequence length, E embedding width,
H hidden size, N attention heads, D = H / N head size, V vocabulary size, P predictions per
sequence.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from albert_tf.errors import InputError, closest

NAMES = ("input_word_ids", "input_mask", "input_type_ids")
# Additional inputs of an encoder built with `with_dense_inputs`.
DENSE_NAMES = ("dense_inputs", "dense_mask", "dense_type_ids")
OPTIONAL_NAMES = ("input_word_embeddings", "position_ids", "head_mask", *DENSE_NAMES)
# Names in the released TF1-Hub modules, in KerasHub and in transformers.
ALIASES = {
    "input_ids": "input_word_ids",
    "token_ids": "input_word_ids",
    "padding_mask": "input_mask",
    "attention_mask": "input_mask",
    "segment_ids": "input_type_ids",
    "token_type_ids": "input_type_ids",
    "inputs_embeds": "input_word_embeddings",
}
_WORDS = "input_word_embeddings"
_SPELLINGS = {name: name for name in NAMES + OPTIONAL_NAMES} | ALIASES
_IDS = [name for name, meant in _SPELLINGS.items() if meant in ("input_word_ids", _WORDS)]
# An unknown name this similar to that of a missing input is taken for a misspelling of it.
_MISSPELLED = 0.9


# AutoGraph cannot convert difflib, and there is nothing to convert.
@tf.autograph.experimental.do_not_convert
def named(inputs: Any) -> dict[str, Any]:
    """Returns a dict in which the inputs have the names of `NAMES` and `OPTIONAL_NAMES`.

    Args:
      inputs: a dict keyed by name or alias, a list in the order of `NAMES`, or the ids alone. Other
        entries of a dict, such as the labels of a batch, are returned unchanged. Inputs that are
        None are left out.

    Raises:
      InputError: the ids are missing or given twice, an input is given under two names, a name
        looks like a misspelling, or a list is too long.
    """
    if isinstance(inputs, Sequence):
        if len(inputs) > len(NAMES):
            raise InputError(
                f"A list of encoder inputs can hold {NAMES} only. Received {len(inputs)} "
                "tensors. Pass a dict for other inputs."
            )
        inputs = dict(zip(NAMES, inputs))
    elif not isinstance(inputs, Mapping):
        inputs = {NAMES[0]: inputs}
    result, spelling = {}, {}
    for name, value in inputs.items():
        meant = _SPELLINGS.get(name, name)
        if value is None and name in _SPELLINGS:
            continue
        if meant in result and result[meant] is not value:
            raise InputError(
                f"An input can be given under one name only. Received {spelling[meant]!r} and "
                f"{name!r}, which both mean {meant!r}. Leave one of them out."
            )
        result[meant], spelling[meant] = value, name
    _check_names(result, spelling)
    return result


def _check_names(given: Mapping[str, Any], spelling: Mapping[str, str]) -> None:
    unknown = [str(name) for name in given if name not in _SPELLINGS]
    missing = [name for name, meant in _SPELLINGS.items() if meant not in given]
    for name in unknown:
        if difflib.get_close_matches(name, missing, cutoff=_MISSPELLED):
            raise InputError(
                f"Encoder inputs must have known names. Received {name!r}. {closest(name, missing)}"
            )
    if NAMES[0] in given and _WORDS in given:
        raise InputError(
            "Encoder inputs must have ids or their embeddings, not both. Received "
            f"{spelling[NAMES[0]]!r} and {spelling[_WORDS]!r}. Leave one of them out."
        )
    if NAMES[0] not in given and _WORDS not in given:
        alike = [match for name in unknown for match in difflib.get_close_matches(name, _IDS, n=1)]
        hint = f"Closest: {', '.join(alike)}. " if alike else ""
        raise InputError(
            f"Encoder inputs must include {NAMES[0]!r}. Received {sorted(map(str, given))}. {hint}"
            f"Add the token ids under one of: {', '.join(_IDS)}."
        )


@tf.autograph.experimental.do_not_convert
def standardize(inputs: Any, keras_mask: Any = None) -> dict[str, tf.Tensor]:
    """Returns the result of `named` with mask and type ids, int32 [B, S], and no other entries.

    Args:
      inputs: see `named`. The mask defaults to all ones and the type ids to all zeros.
      keras_mask: the `mask` argument of a Keras layer: a tensor [B, S], which is the same as the
        input `input_mask`; or the nested masks that Keras collects from the layers before.

    Raises:
      InputError: see `named`; or the mask is given as an input too.
    """
    inputs = {name: value for name, value in named(inputs).items() if name in _SPELLINGS}
    mask = inputs.get("input_mask")
    if isinstance(keras_mask, (Mapping, list, tuple)):
        collected = [part for part in tf.nest.flatten(keras_mask) if part is not None]
        mask = collected[0] if mask is None and collected else mask
    elif keras_mask is not None:
        if mask is not None:
            raise InputError(
                "A mask can be given once only. Received mask= and the input 'input_mask'. Leave "
                "one of them out."
            )
        mask = keras_mask
    words = inputs.get(NAMES[0])
    refuse_texts(words)
    if words is not None and tf.convert_to_tensor(words).shape.rank not in (None, 2):
        raise InputError(
            "Token ids must have two axes, batch and sequence. Received shape "
            f"{tf.convert_to_tensor(words).shape}. Reshape them."
        )
    shape = tf.shape(inputs[_WORDS])[:2] if words is None else tf.shape(words)
    types = inputs.get("input_type_ids")
    inputs["input_mask"] = tf.ones(shape, tf.int32) if mask is None else _integer(mask)
    inputs["input_type_ids"] = tf.zeros(shape, tf.int32) if types is None else types
    return inputs


def mask_of(features: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns the mask of all positions, int32 [B, S], of the result of `standardize`.

    The positions of `dense_inputs` follow those of the ids.
    """
    mask = features["input_mask"]
    if "dense_mask" not in features:
        return mask
    return tf.concat([mask, tf.cast(features["dense_mask"], mask.dtype)], axis=1)


def joined(features: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Returns the inputs of rows, [B, C, S, ...] each, as [B*C, S, ...], without other entries.

    `features` has the names that `named` returns. `head_mask` has no rows and is left out.
    """
    names = [name for name in (*NAMES, *OPTIONAL_NAMES) if name != "head_mask"]
    rows = {name: tf.convert_to_tensor(features[name]) for name in names if name in features}
    return {n: tf.reshape(x, tf.concat([[-1], tf.shape(x)[2:]], 0)) for n, x in rows.items()}


def refuse_texts(inputs: Any) -> None:
    """Raises `InputError` if encoder inputs, or the elements of a data set of them, are texts."""
    if hasattr(inputs, "element_spec"):
        inputs = inputs.element_spec
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
    if isinstance(inputs, Mapping):
        inputs = [value for name, value in inputs.items() if name in _IDS]
    if isinstance(inputs, (list, tuple)):
        inputs = inputs[0] if inputs else None
    kind = getattr(getattr(inputs, "dtype", None), "kind", "")  # NumPy's
    is_text = isinstance(inputs, (str, bytes)) or kind in ("U", "S", "O")
    if is_text or getattr(inputs, "dtype", None) == tf.string:
        raise InputError(
            "Encoder inputs must be token ids. Received texts. Pass tokenizer(texts), or let a "
            "classifier take texts: model.with_preprocessing(tokenizer)."
        )


def _integer(mask: Any) -> tf.Tensor:
    """Returns a bool mask, such as KerasHub's, as int32; other masks unchanged."""
    mask = tf.convert_to_tensor(mask)
    return tf.cast(mask, tf.int32) if mask.dtype == tf.bool else mask


def checked(x: tf.Tensor, holds: tf.Tensor, rule: str, *received: tf.Tensor) -> tf.Tensor:
    """Returns `x` after checking that the condition `holds`.

    Args:
      x: any tensor.
      holds: bool scalar.
      rule: the start of the error message: rule, remedy and the words before the received values.
      *received: scalars to append to the message.

    Raises:
      InputError: the condition is false in eager execution. In a graph,
        `tf.errors.InvalidArgumentError` is raised with the same message when the graph runs. XLA
        drops the check.
    """
    if tf.executing_eagerly():
        if not holds:
            raise InputError(f"{rule} {', '.join(str(int(value)) for value in received)}.")
        return x
    with tf.control_dependencies([tf.debugging.Assert(holds, [rule, *received])]):
        return tf.identity(x)
