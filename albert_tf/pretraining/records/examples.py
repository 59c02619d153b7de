"""Tables of the features in pretraining records, and their serialisation without TensorFlow.

Axes: S is max_seq_length, P is max_predictions_per_seq, "1" is a single value; L, G and U vary from
record to record. Static records contain their masks, under the names of the original script or of
Model Garden; the latter are also the names of the model inputs. Dynamic records contain the data
for drawing masks. `next_sentence_labels` keeps its original name although it is the label of
sentence order: 0 in order, 1 swapped.

Workers must start fast, and importing TensorFlow takes seconds. The messages are declared here with
the field numbers of tensorflow/core/example/{example,feature}.proto. The map of features is
declared as a list of entries, which has the same wire format, so that the order of the features,
and therefore every byte, is fixed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


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


_PACKAGE = "albert_tf_records"
_FIELD = descriptor_pb2.FieldDescriptorProto
# message -> (field, number, repeated, scalar type or message name)
_MESSAGES = {
    "FloatList": [("value", 1, True, _FIELD.TYPE_FLOAT)],
    "Int64List": [("value", 1, True, _FIELD.TYPE_INT64)],
    "Feature": [("float_list", 2, False, "FloatList"), ("int64_list", 3, False, "Int64List")],
    "Entry": [("key", 1, False, _FIELD.TYPE_STRING), ("value", 2, False, "Feature")],
    "Features": [("feature", 1, True, "Entry")],
    "Example": [("features", 1, False, "Features")],
}


def serialize(
    table: Sequence[Feature],
    arrays: Mapping[str, Iterable[np.ndarray]],
    model_garden: bool = False,
) -> Iterator[bytes]:
    """Yields a record for each row of the arrays.

    Args:
      table: the features to write, in this order.
      arrays: N rows for each feature name in the table.
      model_garden: whether to write Model Garden's names instead of the original's.
    """
    example_class = _example_class()
    columns = [[row.tolist() for row in arrays[feature.name]] for feature in table]
    names = [feature.stored_name(model_garden) for feature in table]
    for row in zip(*columns):
        example = example_class()
        entries = example.features.feature
        for feature, name, values in zip(table, names, row):
            entry = entries.add(key=name)
            value = entry.value
            kind = value.float_list if feature.dtype == "float32" else value.int64_list
            kind.value.extend(values)
        yield example.SerializeToString()


@functools.cache
def _example_class() -> type:
    file = descriptor_pb2.FileDescriptorProto(
        name="albert_tf/data/example.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, repeated, kind in fields:
            label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                added.type, added.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()  # Not the default pool, which has TensorFlow's.
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))
