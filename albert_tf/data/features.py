"""The features of pretraining records, as data: one table for writer, parser and model inputs.

Axes: S is max_seq_length, P is max_predictions_per_seq, "1" is one value. Records of static data
carry the original script's names; the model takes Model Garden's. `next_sentence_labels` keeps its
name though it tells the order of sentences: 0 in order, 1 swapped.
"""

from __future__ import annotations

from typing import NamedTuple


class Feature(NamedTuple):
    """A feature of a record.

    Attributes:
      name: in the record, as the original script writes it.
      dtype: in the record, "int64" or "float32".
      axis: "S", "P" or "1"; records are of fixed length.
      model_name: as the model takes it; None if the model does not.
      model_dtype: as the model takes it, "int32" or "float32".
    """

    name: str
    dtype: str
    axis: str
    model_name: str | None
    model_dtype: str


PRETRAINING = (
    Feature("input_ids", "int64", "S", "input_word_ids", "int32"),
    Feature("input_mask", "int64", "S", "input_mask", "int32"),
    Feature("segment_ids", "int64", "S", "input_type_ids", "int32"),
    Feature("token_boundary", "int64", "S", None, "int32"),
    Feature("masked_lm_positions", "int64", "P", "masked_lm_positions", "int32"),
    Feature("masked_lm_ids", "int64", "P", "masked_lm_ids", "int32"),
    Feature("masked_lm_weights", "float32", "P", "masked_lm_weights", "float32"),
    Feature("next_sentence_labels", "int64", "1", "next_sentence_labels", "int32"),
)
