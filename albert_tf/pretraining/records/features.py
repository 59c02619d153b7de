"""Tables of the features in pretraining records, for the writer, the parser and the model inputs.

Axes: S is max_seq_length, P is max_predictions_per_seq, "1" is a single value; L, G and U vary from
record to record. Static records contain their masks, under the names of the original script or of
Model Garden; the latter are also the names of the model inputs. Dynamic records contain the data
for drawing masks. `next_sentence_labels` keeps its original name although it is the label of
sentence order: 0 in order, 1 swapped.
"""

from __future__ import annotations

from typing import NamedTuple


class Feature(NamedTuple):
    """A feature of a record.

    Attributes:
      name: the name in the record, as written by the original script.
      dtype: the type in the record, "int64" or "float32".
      axis: one of the axes described above.
      model_name: the name of the model input; None if it is not a model input.
      model_dtype: the type of the model input, "int32" or "float32".
    """

    name: str
    dtype: str
    axis: str
    model_name: str | None
    model_dtype: str

    def stored_name(self, model_garden: bool) -> str:
        """Returns the name in the record, following Model Garden or the original script."""
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

# `input_ids` has [CLS] and [SEP] but no padding. The length of a segment includes its special
# tokens. A unit is a run of text tokens that are masked together (see mask_units.py).
DYNAMIC = (
    Feature("input_ids", "int64", "L", "input_word_ids", "int32"),
    Feature("segment_lengths", "int64", "G", None, "int32"),
    Feature("unit_lengths", "int64", "U", None, "int32"),
    Feature("next_sentence_labels", "int64", "1", "next_sentence_labels", "int32"),
)
