"""The table of names: every weight of ALBERT in every format, with its shape and layout.

Each row is a variable, or a template for the variables of all blocks: `{g}` is the index of the
group and `{i}` that of the inner block. The columns are:

- ours: the path of the variable in `AlbertPretrainer`, and its name everywhere in this package.
- checkpoint: the attribute path in a live model, which is also the path in the object graph of our
  training checkpoints.
- tf1: the variable of the original graph.
- hugging_face: the key in model.safetensors of AlbertForPreTraining.
- model_garden: the path in the object graph of `tf.train.Checkpoint(encoder=..., masked_lm=...)`.
  `{block}` and `{pooler}` are layer indices; they depend on whether there is a projection, which
  is omitted if the widths are equal. `next_sentence` is a classification head whose inner dense
  layer is ALBERT's pooler.
- keras_hub: the dataset in model.weights.h5 or, for the head, in task.weights.h5. `{n}` numbers
  the blocks across all groups. KerasHub has no sentence-order head.

Shapes are written as letters: V vocabulary, E embedding width, H hidden size, D twice the hidden
size, I intermediate size, P rows of the position table, T rows of the type table, L labels. A
number stands for itself or, before a letter, for so many times its size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from albert_tf.config import AlbertConfig
from albert_tf.task_types import TaskDescription

Shape = tuple[int, ...]


class Transform(NamedTuple):
    """Converts an array between our layout and another.

    Attributes:
      shape: takes our shape and the number of heads, and returns the shape in the other layout.
      transposed: whether the array is transposed rather than reshaped.
    """

    shape: Callable[[Shape, int], Shape]
    transposed: bool = False

    def to_theirs(self, array: np.ndarray, heads: int) -> np.ndarray:
        """Returns `array` in the other layout, as a view if possible."""
        shape = self.shape(array.shape, heads)
        return array.T if self.transposed else array.reshape(shape)

    def to_ours(self, array: np.ndarray, shape: Shape) -> np.ndarray:
        """Returns `array`, which is in the other layout, in our layout with `shape`."""
        return array.T if self.transposed else array.reshape(shape)


SAME = Transform(lambda shape, heads: shape)
# Linear layers of PyTorch store [out, in], and so does the sentence-order head of the original.
TRANSPOSE = Transform(lambda shape, heads: shape[::-1], transposed=True)
# Query, key and value: [..., H] -> [..., N, D].
SPLIT_LAST = Transform(lambda shape, heads: (*shape[:-1], heads, shape[-1] // heads))
# The output projection of attention: [H, ...] -> [N, D, ...].
SPLIT_FIRST = Transform(lambda shape, heads: (heads, shape[0] // heads, *shape[1:]))

COLUMNS = ("checkpoint", "tf1", "hugging_face", "model_garden", "keras_hub")
HEADS = ("masked_lm", "sentence_order")
TASK_HEAD = "head"  # The attribute of a `TaskModel` that holds the layer added by its task.


class Place(NamedTuple):
    """The name and the layout of a weight in one format."""

    name: str
    transform: Transform = SAME


class Row(NamedTuple):
    """One weight: our name, its shape, and its place in each column whose format stores it."""

    ours: str
    shape: str | tuple[str, ...]
    places: Mapping[str, Place]


class Weight(NamedTuple):
    """A row with its indices and sizes filled in."""

    ours: str
    shape: tuple[int, ...]
    places: Mapping[str, Place]


def weights(config: AlbertConfig, task: TaskDescription | None = None) -> Iterator[Weight]:
    """Yields every weight of a model with this config and task, including the heads."""
    factorized = config.embedding_size != config.hidden_size
    block = 5 if factorized else 4
    sizes = dict(
        V=config.vocab_size,
        E=config.embedding_size,
        H=config.hidden_size,
        D=2 * config.hidden_size,
        I=config.intermediate_size,
        P=config.max_position_embeddings,
        T=config.type_vocab_size,
        L=len(task.labels) or 1 if task else 1,
        K=config.num_hidden_layers - 1,
    )
    for row in (*TABLE, *_head_rows(task)):
        if row.ours.startswith(PROJECTION) and not factorized:
            continue
        in_block = "{g}" in row.ours
        for g in range(config.num_hidden_groups if in_block else 1):
            for i in range(config.inner_group_num if in_block else 1):
                n = g * config.inner_group_num + i
                fill = dict(g=g, i=i, n=f"_{n}" if n else "", block=block, pooler=block + 1)
                yield Weight(
                    row.ours.format(**fill),
                    tuple(_size(axis, sizes) for axis in row.shape),
                    {c: Place(p.name.format(**fill), p.transform) for c, p in row.places.items()},
                )


def _size(axis: str, sizes: Mapping[str, int]) -> int:
    number = axis.rstrip("".join(sizes))
    return int(number or 1) * sizes.get(axis[len(number) :], 1)


def head(ours: str) -> str | None:
    """Returns the head that a weight belongs to, or None if it belongs to the encoder."""
    first = ours.partition("/")[0]
    return first if first in (*HEADS, TASK_HEAD) else None


def _row(ours: str, shape: str, *names: str | None, **transforms: Transform) -> Row:
    places = {
        column: Place(name, transforms.get(column, SAME))
        for column, name in zip(COLUMNS, names, strict=True)
        if name is not None
    }
    return Row(ours, shape, places)


def _dense(ours: str, shape: str, *names: str | None, split: str = "") -> tuple[Row, Row]:
    """Returns the kernel and bias of a dense layer.

    `split` ("first" or "last") says which axis other formats split into attention heads.
    """
    checkpoint, tf1, hugging_face, model_garden, keras_hub = names
    kernel = dict(hugging_face=TRANSPOSE)
    bias = {}
    if split == "last":
        kernel |= dict(model_garden=SPLIT_LAST, keras_hub=SPLIT_LAST)
        bias = dict(model_garden=SPLIT_LAST, keras_hub=SPLIT_LAST)
    elif split == "first":
        kernel |= dict(model_garden=SPLIT_FIRST, keras_hub=SPLIT_FIRST)
    rows = []
    for part, torch, index, letters, transforms in (
        ("kernel", "weight", 0, shape, kernel),
        ("bias", "bias", 1, shape[1], bias),
    ):
        rows.append(
            _row(
                f"{ours}/{part}",
                letters,
                f"{checkpoint}/{part}",
                f"{tf1}/{part}",
                f"{hugging_face}.{torch}",
                f"{model_garden}/{part}",
                f"{keras_hub}/vars/{index}",
                **transforms,
            )
        )
    return tuple(rows)


def _norm(ours: str, shape: str, *names: str) -> tuple[Row, Row]:
    checkpoint, tf1, hugging_face, model_garden, keras_hub = names
    return tuple(
        _row(
            f"{ours}/{part}",
            shape,
            f"{checkpoint}/{part}",
            f"{tf1}/{part}",
            f"{hugging_face}.{torch}",
            f"{model_garden}/{part}",
            f"{keras_hub}/vars/{index}",
        )
        for index, (part, torch) in enumerate((("gamma", "weight"), ("beta", "bias")))
    )


PROJECTION = "encoder/embeddings/projection"
_OURS = "encoder/stack/group_{g}_inner_{i}"
_PATH = "encoder/stack/groups/{g}/{i}"
_TF1 = "bert/encoder/transformer/group_{g}/inner_group_{i}"
_HF = "albert.encoder.albert_layer_groups.{g}.albert_layers.{i}"
_MG = "encoder/layer_with_weights-{block}"
_KH = "layers/transformer_encoder{n}"

TABLE: tuple[Row, ...] = (
    _row(
        "encoder/embeddings/word_embeddings/embeddings",
        "VE",
        "encoder/embeddings_layer/word_embeddings/embeddings",
        "bert/embeddings/word_embeddings",
        "albert.embeddings.word_embeddings.weight",
        "encoder/layer_with_weights-0/embeddings",
        "layers/reversible_embedding/vars/0",
    ),
    _row(
        "encoder/embeddings/position_embeddings/embeddings",
        "PE",
        "encoder/embeddings_layer/position_embeddings/embeddings",
        "bert/embeddings/position_embeddings",
        "albert.embeddings.position_embeddings.weight",
        "encoder/layer_with_weights-1/_position_embeddings",
        "layers/position_embedding/vars/0",
    ),
    _row(
        "encoder/embeddings/type_embeddings/embeddings",
        "TE",
        "encoder/embeddings_layer/type_embeddings/embeddings",
        "bert/embeddings/token_type_embeddings",
        "albert.embeddings.token_type_embeddings.weight",
        "encoder/layer_with_weights-2/embeddings",
        "layers/embedding/vars/0",
    ),
    *_norm(
        "encoder/embeddings/layer_norm",
        "E",
        "encoder/embeddings_layer/norm",
        "bert/embeddings/LayerNorm",
        "albert.embeddings.LayerNorm",
        "encoder/layer_with_weights-3",
        "layers/layer_normalization",
    ),
    *_dense(
        PROJECTION,
        "EH",
        "encoder/embeddings_layer/projection",
        "bert/encoder/embedding_hidden_mapping_in",
        "albert.encoder.embedding_hidden_mapping_in",
        "encoder/layer_with_weights-4",
        "layers/dense",
    ),
    *(
        row
        for part in ("query", "key", "value")
        for row in _dense(
            f"{_OURS}/attention/{part}",
            "HH",
            f"{_PATH}/attention/{part}",
            f"{_TF1}/attention_1/self/{part}",
            f"{_HF}.attention.{part}",
            f"{_MG}/_attention_layer/_{part}_dense",
            f"{_KH}/_self_attention_layer/{part}_dense",
            split="last",
        )
    ),
    *_dense(
        f"{_OURS}/attention/output",
        "HH",
        f"{_PATH}/attention/attention_output",
        f"{_TF1}/attention_1/output/dense",
        f"{_HF}.attention.dense",
        f"{_MG}/_attention_layer/_output_dense",
        f"{_KH}/_self_attention_layer/output_dense",
        split="first",
    ),
    *_norm(
        f"{_OURS}/attention_layer_norm",
        "H",
        f"{_PATH}/attention_norm",
        f"{_TF1}/LayerNorm",
        f"{_HF}.attention.LayerNorm",
        f"{_MG}/_attention_layer_norm",
        f"{_KH}/_self_attention_layer_norm",
    ),
    *_dense(
        f"{_OURS}/intermediate",
        "HI",
        f"{_PATH}/intermediate",
        f"{_TF1}/ffn_1/intermediate/dense",
        f"{_HF}.ffn",
        f"{_MG}/_intermediate_dense",
        f"{_KH}/_feedforward_intermediate_dense",
    ),
    *_dense(
        f"{_OURS}/output",
        "IH",
        f"{_PATH}/feed_forward_output",
        f"{_TF1}/ffn_1/intermediate/output/dense",
        f"{_HF}.ffn_output",
        f"{_MG}/_output_dense",
        f"{_KH}/_feedforward_output_dense",
    ),
    *_norm(
        f"{_OURS}/output_layer_norm",
        "H",
        f"{_PATH}/output_norm",
        f"{_TF1}/LayerNorm_1",
        f"{_HF}.full_layer_layer_norm",
        f"{_MG}/_output_layer_norm",
        f"{_KH}/_feedforward_layer_norm",
    ),
    *_dense(
        "encoder/pooler",
        "HH",
        "encoder/_pooler_layer",
        "bert/pooler/dense",
        "albert.pooler",
        "encoder/layer_with_weights-{pooler}",
        "layers/dense_1",
    ),
    *_dense(
        "masked_lm/transform",
        "HE",
        "masked_lm/transform",
        "cls/predictions/transform/dense",
        "predictions.dense",
        "masked_lm/dense",
        "layers/masked_lm_head/_intermediate_dense",
    ),
    *_norm(
        "masked_lm/layer_norm",
        "E",
        "masked_lm/norm",
        "cls/predictions/transform/LayerNorm",
        "predictions.LayerNorm",
        "masked_lm/layer_norm",
        "layers/masked_lm_head/_intermediate_layer_norm",
    ),
    _row(
        "masked_lm/output_bias",
        "V",
        "masked_lm/output_bias",
        "cls/predictions/output_bias",
        "predictions.bias",
        "masked_lm/bias",
        "layers/masked_lm_head/vars/0",
    ),
    _row(
        "sentence_order/classifier/kernel",
        "H2",
        "sentence_order/classifier/kernel",
        "cls/seq_relationship/output_weights",
        "sop_classifier.classifier.weight",
        "next_sentence/out_proj/kernel",
        None,
        tf1=TRANSPOSE,
        hugging_face=TRANSPOSE,
    ),
    _row(
        "sentence_order/classifier/bias",
        "2",
        "sentence_order/classifier/bias",
        "cls/seq_relationship/output_bias",
        "sop_classifier.classifier.bias",
        "next_sentence/out_proj/bias",
        None,
    ),
)


def _head_rows(task: TaskDescription | None) -> Iterator[Row]:
    """Yields the rows of a task's head. Heads of different tasks may use the same names."""
    for weight in task.head if task else ():
        name = f"{TASK_HEAD}/{weight.name}"
        places = {"checkpoint": Place(name)}
        if weight.tf1 is not None:
            places["tf1"] = Place(weight.tf1, TRANSPOSE if weight.tf1_transposed else SAME)
        if weight.hugging_face is not None:
            transform = TRANSPOSE if len(weight.shape) == 2 else SAME
            places["hugging_face"] = Place(weight.hugging_face, transform)
        yield Row(name, weight.shape, places)
