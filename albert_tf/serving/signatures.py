"""Names, inputs and outputs of the exported signatures.

This module has the tables for the encoder and the preprocessor. The table of a served task is in
the task's folder and is made by `of_task`. The exporter, the verifier and docs/contracts.md use
these tables. There are four families of input names: `TEXT_ENCODER` has the names of TF-Hub's text
encoders for TF2, `TF1_HUB` those of the released TF1 modules, which clients of signatures use, and
`KERAS_HUB` and `HUGGING_FACE` those of other libraries. A call accepts all of them.

Letters: B batch, S sequence, P predictions in a sequence, H hidden size, V vocabulary, N sequence
length of a preprocessor, C classes or choices, K fillings, answers or starts, L ends of a start,
W words of a text or tokens of a row, E entities of a text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class Spec(NamedTuple):
    """An input or output: its dtype, and its axes as letters or numbers."""

    dtype: tf.DType
    axes: tuple[str, ...] = ()

    @property
    def tensor_spec(self) -> tf.TensorSpec:
        """The spec of an input; all axes have unknown sizes."""
        return tf.TensorSpec([None] * len(self.axes), self.dtype)

    def named_tensor_spec(self, name: str) -> tf.TensorSpec:
        """Returns the same spec with the name that it has in a signature."""
        return tf.TensorSpec([None] * len(self.axes), self.dtype, name=name)

    def __str__(self) -> str:
        return f"{self.dtype.name} [{', '.join(self.axes)}]"


class Signature(NamedTuple):
    """The inputs and outputs of a signature, by name."""

    inputs: Mapping[str, Spec]
    outputs: Mapping[str, Spec]

    def bind(self, function: Callable[..., Mapping[str, Any]]) -> Callable[..., Any]:
        """Returns a function with these inputs, in this order, and these outputs.

        The function is not traced here. The saver traces everything again, so a function traced
        before saving would call a second copy of the encoder.
        """
        specs = [spec.named_tensor_spec(key) for key, spec in self.inputs.items()]

        @tf.function(input_signature=specs, autograph=False)
        def signature(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = function(*tensors)
            return {key: outputs[key] for key in self.outputs}

        return signature


class Family(NamedTuple):
    """The names of the encoder inputs and of the positions to predict."""

    ids: str
    mask: str
    types: str
    positions: str

    @property
    def encoder_specs(self) -> dict[str, tf.TensorSpec]:
        """The inputs of a call of the encoder."""
        return dict.fromkeys(self[:3], IDS.tensor_spec)

    @property
    def masked_lm_specs(self) -> dict[str, tf.TensorSpec]:
        """The inputs of a call of `mlm`."""
        return {**self.encoder_specs, self.positions: POSITIONS.tensor_spec}


IDS = Spec(tf.int32, ("B", "S"))
POSITIONS = Spec(tf.int32, ("B", "P"))
TEXTS = Spec(tf.string, ("B",))

TEXT_ENCODER = Family("input_word_ids", "input_mask", "input_type_ids", "masked_lm_positions")
TF1_HUB = Family("input_ids", "input_mask", "segment_ids", "mlm_positions")
KERAS_HUB = Family("token_ids", "padding_mask", "segment_ids", "mask_positions")
HUGGING_FACE = Family("input_ids", "attention_mask", "token_type_ids", "mlm_positions")
FAMILIES = (TEXT_ENCODER, TF1_HUB, KERAS_HUB, HUGGING_FACE)

_ENCODER_INPUTS = dict.fromkeys(TF1_HUB[:3], IDS)
_ENCODER_OUTPUTS = {
    "pooled_output": Spec(tf.float32, ("B", "H")),
    "sequence_output": Spec(tf.float32, ("B", "S", "H")),
}

# `mlm` and `sop` are exported only if the source has the head that they need.
ENCODER: Mapping[str, Signature] = {
    "serving_default": Signature(_ENCODER_INPUTS, _ENCODER_OUTPUTS),
    "tokens": Signature(_ENCODER_INPUTS, _ENCODER_OUTPUTS),
    "mlm": Signature(
        {**_ENCODER_INPUTS, TF1_HUB.positions: POSITIONS},
        # Flattened as in the released modules: the rows of one text follow those of the previous.
        {**_ENCODER_OUTPUTS, "mlm_logits": Spec(tf.float32, ("B*P", "V"))},
    ),
    "sop": Signature(
        _ENCODER_INPUTS, {**_ENCODER_OUTPUTS, "sop_log_probs": Spec(tf.float32, ("B", "2"))}
    ),
    "tokenization_info": Signature(
        {}, {"vocab_file": Spec(tf.string), "do_lower_case": Spec(tf.bool)}
    ),
}

PREPROCESSOR: Mapping[str, Signature] = {
    "serving_default": Signature(
        {"texts": TEXTS}, {name: Spec(tf.int32, ("B", "N")) for name in TEXT_ENCODER[:3]}
    ),
}

Signatures = Mapping[str, Signature]


def of_task(
    texts: Mapping[str, Spec],
    answers: Mapping[str, Spec],
    of_ids: Mapping[str, Spec] | None = None,
    ids: Spec = IDS,
) -> Signatures:
    """Returns the signatures of a served task, which take texts, ids or tf.train.Example protos.

    Args:
      texts: the inputs of `serving_default`, and the features of each tf.train.Example that
        `examples` takes.
      answers: the outputs of `serving_default` and `examples`.
      of_ids: the outputs of `tokens`; `answers` by default.
      ids: the spec of each input of `tokens`.
    """
    return {
        "serving_default": Signature(texts, answers),
        "tokens": Signature(dict.fromkeys(TF1_HUB[:3], ids), of_ids or answers),
        "examples": Signature({"examples": Spec(tf.string, ("B",))}, answers),
    }


# Rows of different lengths, with characters that the rules for text treat specially.
SAMPLES = ("[MASK] Hello!", "[MASK][MASK] Café NAÏVE: 1,000 and 2, 3", "[MASK] ΣΑΣ ﬁ Ａ " * 9)
SECOND_SAMPLES = ("a second text", "and another one, longer than the first of all " * 10, "1,000")


def padded(rows: Sequence[Any], spec: Spec) -> np.ndarray:
    """Returns nested lists of different lengths as one array, padded with 0 or "".

    Args:
      rows: a value, a list or a list of lists for each row.
      spec: the spec of the output; only its dtype is used.
    """
    is_text = spec.dtype.name == "string"
    arrays = [np.asarray(_encoded(row) if is_text else row) for row in rows]
    dtype = np.result_type("S1", *arrays) if is_text else spec.dtype.as_numpy_dtype
    sizes = np.max([array.shape for array in arrays], axis=0, initial=0)
    result = np.zeros([len(rows), *sizes.astype(int)], dtype)
    for index, array in enumerate(arrays):
        result[(index, *map(slice, array.shape))] = array
    return result


def _encoded(value: Any) -> Any:
    return [_encoded(v) for v in value] if isinstance(value, (list, tuple)) else value.encode()
