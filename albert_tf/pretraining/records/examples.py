"""Serialises arrays as `tf.train.Example` records without importing TensorFlow.

Workers must start fast, and importing TensorFlow takes seconds. The messages are declared here with
the field numbers of tensorflow/core/example/{example,feature}.proto. The map of features is
declared as a list of entries, which has the same wire format, so that the order of the features,
and therefore every byte, is fixed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from albert_tf.pretraining.records.features import Feature

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
