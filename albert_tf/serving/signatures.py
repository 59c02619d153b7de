"""Names and keys of every signature that is exported: the one table.

Exporter, verifier and the tables of export/README.md read it. Two families of input names exist.
`TEXT_ENCODER` is that of TF-Hub's text encoders for TF2. `TF1_HUB` is that of the released TF1
modules; the signatures have it, as clients of those modules know them by it. A call takes either.

Letters: B batch, S sequence, P predictions a sequence, H hidden size, V vocabulary, N sequence
length of a preprocessor.
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

PAIRS = {"text": TEXTS, "text_b": TEXTS}
_LABELLED = {
    "label": Spec(tf.string, ("B",)),
    "label_index": Spec(tf.int32, ("B",)),
    "probabilities": Spec(tf.float32, ("B", "C")),
    "logits": Spec(tf.float32, ("B", "C")),
}
_FILLED = {
    "positions": POSITIONS,
    "token_ids": Spec(tf.int32, ("B", "P", "K")),
    "pieces": Spec(tf.string, ("B", "P", "K")),
    "probabilities": Spec(tf.float32, ("B", "P", "K")),
    "lengths": Spec(tf.int32, ("B",)),
}
_TAGGED = {
    "labels": Spec(tf.string, ("B", "W")),
    "label_indices": Spec(tf.int32, ("B", "W")),
    "probabilities": Spec(tf.float32, ("B", "W", "C")),
    "lengths": Spec(tf.int32, ("B",)),
}
_CHOSEN = {
    "index": Spec(tf.int32, ("B",)),
    "probabilities": Spec(tf.float32, ("B", "C")),
    "logits": Spec(tf.float32, ("B", "C")),
}
_LOGITS = dict.fromkeys(("start_logits", "end_logits"), Spec(tf.float32, ("B", "S")))
_BEAMS = {
    "start_top_log_probs": Spec(tf.float32, ("B", "K")),
    "start_top_index": Spec(tf.int32, ("B", "K")),
    "end_top_log_probs": Spec(tf.float32, ("B", "K", "L")),
    "end_top_index": Spec(tf.int32, ("B", "K", "L")),
    "impossible_logits": Spec(tf.float32, ("B",)),
}
_FOUND = {
    "answer": Spec(tf.string, ("B",)),
    "start": Spec(tf.int32, ("B",)),
    "end": Spec(tf.int32, ("B",)),
    "score": Spec(tf.float32, ("B",)),
    "null_odds": Spec(tf.float32, ("B",)),
    "n_best_answers": Spec(tf.string, ("B", "K")),
    "n_best_starts": Spec(tf.int32, ("B", "K")),
    "n_best_ends": Spec(tf.int32, ("B", "K")),
    "n_best_scores": Spec(tf.float32, ("B", "K")),
}


def _task(
    texts: Mapping[str, Spec],
    answers: Mapping[str, Spec],
    of_ids: Mapping[str, Spec] | None = None,
    ids: Spec = IDS,
) -> Mapping[str, Signature]:
    """Returns the signatures of a task; `of_ids` is what it gives for ids if that is other."""
    outputs = of_ids or answers
    return {
        "serving_default": Signature(texts, answers),
        "tokens": Signature(dict.fromkeys(TF1_HUB[:3], ids), outputs),
        "examples": Signature({"examples": Spec(tf.string, ("B",))}, answers),
    }


# C classes or choices, K fillings, answers or starts, L ends of a start, W words of a text or
# tokens of a row. `examples` takes serialized tf.train.Example with the texts as features.
TASKS: Mapping[str, Mapping[str, Signature]] = {
    "embedding": _task({"text": TEXTS}, {"embedding": Spec(tf.float32, ("B", "H"))}),
    "classification": _task({"text": TEXTS}, _LABELLED),
    "pair_classification": _task(PAIRS, _LABELLED),
    "regression": _task({"text": TEXTS}, {"value": Spec(tf.float32, ("B",))}),
    "pair_regression": _task(PAIRS, {"value": Spec(tf.float32, ("B",))}),
    "fill_mask": _task({"text": TEXTS}, _FILLED),
    "tagging": _task({"text": TEXTS}, {**_TAGGED, "words": Spec(tf.string, ("B", "W"))}, _TAGGED),
    "question_answering": _task({"question": TEXTS, "context": TEXTS}, _FOUND, _LOGITS),
    "joint_question_answering": _task({"question": TEXTS, "context": TEXTS}, _FOUND, _BEAMS),
    "multiple_choice": _task(
        {"passage": TEXTS, "question": TEXTS, "choices": Spec(tf.string, ("B", "C"))},
        {**_CHOSEN, "answer": Spec(tf.string, ("B",))},
        _CHOSEN,
        Spec(tf.int32, ("B", "C", "S")),
    ),
}
