"""The features of pretraining records, as data: tables for writer, parser and model inputs.

Axes: S is max_seq_length, P is max_predictions_per_seq, "1" is one value; L, G and U are lengths of
their own in each record. Static records carry their masks, under the original script's names or
Model Garden's, which are the model's too; dynamic ones carry what masks are drawn from.
`next_sentence_labels` keeps its name though it tells the order of sentences: 0 in order, 1 swapped.
"""

from __future__ import annotations

from typing import NamedTuple


class Feature(NamedTuple):
    """A feature of a record.

    Attributes:
      name: in the record, as the original script writes it.
      dtype: in the record, "int64" or "float32".
      axis: as above.
      model_name: as the model takes it; None if the model does not.
      model_dtype: as the model takes it, "int32" or "float32".
    """

    name: str
    dtype: str
    axis: str
    model_name: str | None
    model_dtype: str

    def stored_name(self, model_garden: bool) -> str:
        """Returns the name in records of the original script or with Model Garden's names."""
        return self.model_name if model_garden and self.model_name else self.name


STATIC = (
    Feature("input_ids", "int64", "S", "input_word_ids", "int32"),
    Feature("input_mask", "int64", "S", "input_mask", "int32"),
    Feature("segment_ids", "int64", "S", "input_type_ids", "int32"),
    Feature("token_boundary", "int64", "S", None, "int32"),
    Feature("masked_lm_positions", "int64", "P", "masked_lm_positions", "int32"),
    Feature("masked_lm_ids", "int64", "P", "masked_lm_ids", "int32"),
    Feature("masked_lm_weights", "float32", "P", "masked_lm_weights", "float32"),
    Feature("next_sentence_labels", "int64", "1", "next_sentence_labels", "int32"),
)

# [CLS] and [SEP] are there, padding is not. A segment counts its special tokens, a unit is a run of
# text tokens that is masked as a whole (see mask_units.py); units do not count special tokens.
DYNAMIC = (
    Feature("input_ids", "int64", "L", "input_word_ids", "int32"),
    Feature("segment_lengths", "int64", "G", None, "int32"),
    Feature("unit_lengths", "int64", "U", None, "int32"),
    Feature("next_sentence_labels", "int64", "1", "next_sentence_labels", "int32"),
)
