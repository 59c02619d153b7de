"""Names and keys of the signatures that are exported.

The tables of encoder and preprocessor are here; `of_task` makes that of a served task, which is in
the folder of the task. Exporter, verifier and export/README.md read them. There are two families of
input names: `TEXT_ENCODER`, that of TF-Hub's text encoders for TF2, and `TF1_HUB`, that of the
released TF1 modules, whose clients know the signatures by it. A call takes either.

Letters: B batch, S sequence, P predictions a sequence, H hidden size, V vocabulary, N sequence
length of a preprocessor, C classes or choices, K fillings, answers or starts, L ends of a start,
W words of a text or tokens of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf


class Spec(NamedTuple):
    """An input or output: its type and its axes, in letters or numbers."""

    dtype: tf.DType
    axes: tuple[str, ...] = ()

    @property
    def tensor_spec(self) -> tf.TensorSpec:
        """The spec of an input, whose axes are all unknown."""
        return tf.TensorSpec([None] * len(self.axes), self.dtype)

    def named_tensor_spec(self, name: str) -> tf.TensorSpec:
        """The same with a name, by which a signature takes it."""
        return tf.TensorSpec([None] * len(self.axes), self.dtype, name=name)

    def __str__(self) -> str:
        return f"{self.dtype.name} [{', '.join(self.axes)}]"


class Signature(NamedTuple):
    """What a signature takes and gives, by name."""

    inputs: Mapping[str, Spec]
    outputs: Mapping[str, Spec]

    def bind(self, function: Callable[..., Mapping[str, Any]]) -> Callable[..., Any]:
        """Returns a function with these inputs, in their order, and these outputs.

        It is left to the saver to trace it: one traced before would call a second copy of the
        encoder, as the saver traces everything anew.
        """
        specs = [spec.named_tensor_spec(key) for key, spec in self.inputs.items()]

        @tf.function(input_signature=specs, autograph=False)
        def signature(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
            given = function(*tensors)
            return {key: given[key] for key in self.outputs}

        return signature


class Family(NamedTuple):
    """The names of the encoder's inputs, and of the positions to predict."""

    ids: str
    mask: str
    types: str
    positions: str

    @property
    def encoder_specs(self) -> dict[str, tf.TensorSpec]:
        """What a call of the encoder takes."""
        return dict.fromkeys(self[:3], IDS.tensor_spec)

    @property
    def masked_lm_specs(self) -> dict[str, tf.TensorSpec]:
        """What a call of `mlm` takes."""
        return {**self.encoder_specs, self.positions: POSITIONS.tensor_spec}


IDS = Spec(tf.int32, ("B", "S"))
POSITIONS = Spec(tf.int32, ("B", "P"))
TEXTS = Spec(tf.string, ("B",))

TEXT_ENCODER = Family("input_word_ids", "input_mask", "input_type_ids", "masked_lm_positions")
TF1_HUB = Family("input_ids", "input_mask", "segment_ids", "mlm_positions")
FAMILIES = (TEXT_ENCODER, TF1_HUB)

_ENCODER_INPUTS = dict.fromkeys(TF1_HUB[:3], IDS)
_ENCODER_OUTPUTS = {
    "pooled_output": Spec(tf.float32, ("B", "H")),
    "sequence_output": Spec(tf.float32, ("B", "S", "H")),
}

# `mlm` and `sop` need a head, which a source may lack.
ENCODER: Mapping[str, Signature] = {
    "serving_default": Signature(_ENCODER_INPUTS, _ENCODER_OUTPUTS),
    "tokens": Signature(_ENCODER_INPUTS, _ENCODER_OUTPUTS),
    "mlm": Signature(
        {**_ENCODER_INPUTS, TF1_HUB.positions: POSITIONS},
        # Flattened, as in the released modules; rows go through the positions of each text in turn.
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
    """Returns the signatures of a task that is served: texts, ids, or tf.train.Example in.

    Args:
      texts: inputs of `serving_default`, and the features of each serialized tf.train.Example that
        `examples` takes.
      answers: outputs of both.
      of_ids: outputs of `tokens`; `answers` by default.
      ids: each input of `tokens`.
    """
    return {
        "serving_default": Signature(texts, answers),
        "tokens": Signature(dict.fromkeys(TF1_HUB[:3], ids), of_ids or answers),
        "examples": Signature({"examples": Spec(tf.string, ("B",))}, answers),
    }
