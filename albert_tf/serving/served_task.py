"""`ServedTask`, the base class of task models for TensorFlow Serving: text in, named answers out.

A task has three signatures (see `signatures.of_task`). `serving_default` takes raw texts, `tokens`
takes ids that a client made from texts, and `examples` takes serialized tf.train.Example protos
that hold the texts. All three call the same graph of the model, and all outputs are dense. Letters:
B batch, S sequence.
"""

from __future__ import annotations

import abc
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import tensorflow as tf
import tf_keras

from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.inputs import checked
from albert_tf.modeling.parts import in_parts, rows_at_once
from albert_tf.modeling.precision import ReducedPrecision, replaced
from albert_tf.modeling.task_model import TaskModel
from albert_tf.serving import encoder_inputs, signatures
from albert_tf.serving.limits import Limits
from albert_tf.serving.signatures import SAMPLES, TEXT_ENCODER, TF1_HUB, Signatures, Spec, padded
from albert_tf.tokenization.graph import packing as graph_packing
from albert_tf.tokenization.graph import windows
from albert_tf.tokenization.graph.tokenizer import GraphTokenizer
from albert_tf.tokenization.packing import check_seq_length, special_count
from albert_tf.tokenization.tokenizer import AlbertTokenizer

Texts = Mapping[str, tf.Tensor]
Tensors = dict[str, tf.Tensor]
Arrays = dict[str, np.ndarray]
# Returns the answers of `albert-tf predict` to a file, given its extension, such as ".txt", and its
# content.
AnswerFile = Callable[[str, str], Sequence[Mapping[str, Any]]]
Served = TypeVar("Served", bound="ServedTask")


class Trained(Protocol):
    """A model with its task, such as `albert_tf.Predictor`.

    Attributes:
      model: the model with its weights.
      task: the `FineTuningTask` with its config and tokenizer.
      seq_length: the maximum sequence length.
    """

    model: TaskModel
    task: Any
    seq_length: int


class ServedTask(abc.ABC):
    """A model with its tokenizer, and the conversion of its outputs to answers.

    A few rows run at a time, padded to the longest of them, and the computation skips padding.
    Texts that are too long are cut as in training. Like `SharedModel`, this is not a trackable
    object, so that a SavedModel does not include the Keras layers; `module` returns the object to
    save.

    Attributes:
      model: the Keras model.
      encoder: its encoder.
      graph_tokenizer: the in-graph tokenizer.
      limits: how much a request may ask for. Set other limits before calling `signatures`.
      reduced: products of less precision, with which signatures compute; None for float32. Set it
        before anything else is called.
      SIGNATURES: the tables that `signatures.of_task` returns, one for each kind of the task.
      CALLED: the output that a call of the module with texts returns; "" if it cannot be called.
      OPTIONS: the options of `albert-tf export task` that are specific to the task.
      facts: what else manifest.json says about the task, by name.

    Args:
      kind: a key of `SIGNATURES`.
      model: the model with its weights.
      tokenizer: the tokenizer of the model.
      seq_length: the maximum sequence length, S.
    """

    SIGNATURES: ClassVar[Mapping[str, Signatures]]
    CALLED: ClassVar[str] = ""
    OPTIONS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, kind: str, model: tf_keras.Model, tokenizer: AlbertTokenizer, seq_length: int
    ) -> None:
        check_seq_length(seq_length, segments=2)
        self.kind, self.seq_length = kind, seq_length
        self.facts: dict[str, Any] = {}
        self.table = self.SIGNATURES[kind]
        self.special_ids = tokenizer.special_ids
        self.model, self.graph_tokenizer = model, GraphTokenizer(tokenizer)
        self.encoder: AlbertEncoder = model.encoder if isinstance(model, TaskModel) else model
        self.encoder.remove_padding = True
        self.limits = Limits()
        self.reduced: ReducedPrecision | None = None
        texts = signatures.TEXTS.tensor_spec
        self.tokenize = tf.function(
            self.graph_tokenizer.tokenize, input_signature=[texts], autograph=False
        )
        first = next(iter(self.table["tokens"].inputs.values()))
        self.answer = tf.function(
            self._answer, input_signature=[first.tensor_spec] * 3, autograph=False
        )

    @classmethod
    def config_of(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the fields of the task's config that export options set.

        By default a field has the name of its option.

        Args:
          options: the values of those `OPTIONS` that the user set.
        """
        return dict(options)

    @classmethod
    def from_predictor(cls: type[Served], predictor: Trained) -> Served:
        """Returns the served task for a trained model.

        A class whose constructor has more arguments overrides this.
        """
        kind = predictor.task.describe().task
        return cls(kind, predictor.model, predictor.task.tokenizer, predictor.seq_length)

    def expected(self, answer: AnswerFile, config: Any) -> tuple[Arrays, Arrays]:
        """Returns inputs for `serving_default`, and the outputs that it must return for them.

        By default, the input is a file of texts, and the entries of the answers that have the name
        of an output are expected. A task that reads other files, or uses other names in its
        answers, overrides this.

        Args:
          answer: returns the answers of `albert-tf predict` to a file.
          config: the config of the trained task.
        """
        answers = answer(".txt", "".join(f"{text}\n" for text in SAMPLES))
        return {"text": np.array(SAMPLES)}, self.arrays(answers)

    def arrays(self, answers: Sequence[Mapping[str, Any]]) -> Arrays:
        """Returns the entries of the answers that have the name of an output, as padded arrays."""
        outputs = self.table["serving_default"].outputs
        names = [name for name in outputs if name in answers[0]]
        return {name: padded([_values(a[name]) for a in answers], outputs[name]) for name in names}

    @abc.abstractmethod
    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        """Returns the outputs of `tokens`, and further tensors that `answer_texts` needs."""

    def _answer(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        with replaced(self.reduced):
            return self.answer_ids(ids, mask, types)

    def answer_texts(self, texts: Texts) -> Tensors:
        """Returns the outputs of `serving_default`."""
        return self.answer_segments([self.tokenize(text) for text in texts.values()])

    def answer_rows(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        """Returns the outputs of `tokens`, computed for a few rows at a time."""
        rows = rows_at_once(tf.shape(ids)[-1])
        return in_parts(self.answer, (ids, mask, types), self.answer_specs(), rows)

    def answer_segments(
        self,
        segments: Sequence[tf.RaggedTensor],
        answer: Callable[..., Tensors] | None = None,
        outputs: Mapping[str, tf.TensorSpec] | None = None,
        others: Sequence[tf.RaggedTensor] = (),
        positions: tf.Tensor | int = 1,
    ) -> Tensors:
        """Returns the answers to rows of one or two segments, a few rows at a time.

        Args:
          segments: see `pack`.
          answer: takes ids, mask, types and `others` of a few rows; `self.answer` by default.
          outputs: the specs of its results; `answer_specs()` by default.
          others: further tensors with an entry for each row.
          positions: the positions that take as much memory as a row, if more than its length.
        """
        count, special = len(segments), special_count(len(segments))
        lengths = tf.add_n([segment.row_lengths() for segment in segments]) + special  # [R]
        lengths = tf.minimum(lengths, self.seq_length)  # A longer row is cut.
        segments, others = self.limits.admit(
            "tokens", tf.reduce_sum(lengths), (list(segments), list(others))
        )
        longest = tf.cast(tf.maximum(tf.reduce_max(lengths), special), tf.int32)
        answer = answer or self.answer

        def of_some(*tensors: tf.RaggedTensor) -> Tensors:
            return answer(*self.pack(tensors[:count], longest), *tensors[count:])

        outputs = outputs or self.answer_specs()
        rows = rows_at_once(tf.maximum(longest, positions))
        return in_parts(of_some, [*segments, *others], outputs, rows)

    def answer_windows(
        self, segments: Sequence[tf.RaggedTensor], stride: int, outputs: Mapping[str, tf.TensorSpec]
    ) -> tuple[Tensors, tf.Tensor]:
        """Returns the answers to the windows of texts, and the text of each window, int32 [W].

        Args:
          segments: see `pack`; longer ones than a row has room for are cut into windows.
          stride: the number of tokens from the start of one window to the next.
          outputs: the specs of the results of `answer` that are needed.
        """
        plan = windows.plan(segments, self.seq_length, stride)
        # Checked before the windows exist.
        segments, plan = self.limits.admit(
            "tokens", tf.reduce_sum(plan.positions), (list(segments), plan)
        )
        rows, text = windows.cut(segments, plan, stride)
        return self.answer_segments(rows, outputs=outputs), text

    def answer_specs(self) -> Mapping[str, tf.TensorSpec]:
        """Returns the specs of the results of `answer`."""
        return self.answer.get_concrete_function().structured_outputs

    def whole(self: Served) -> Served:
        """Returns the task for formats in which all layers compute all rows."""
        return self

    def module(self, assets: Mapping[str, str | os.PathLike]) -> Any:
        """Returns the object to save with `tf.saved_model.save`.

        Args:
          assets: files by the name of the attribute that holds them.
        """
        module = tf.__internal__.tracking.AutoTrackable()
        module.variables = self._saved_variables()
        module.tokenizer = self.graph_tokenizer
        for name, path in assets.items():
            setattr(module, name, tf.saved_model.Asset(os.fspath(path)))
        return module

    def _saved_variables(self) -> list[tf.Variable]:
        """Returns the variables that calls and signatures read; a weight is stored only once."""
        if self.reduced is None:
            return list(self.model.variables)
        unread = set() if self.CALLED else {v.ref() for v in self.reduced.replaced_variables}
        kept = [v for v in self.model.variables if v.ref() not in unread]
        return [*kept, *self.reduced.variables]

    def signatures(self) -> dict[str, Callable[..., Any]]:
        """Returns the signatures of the task, by name."""
        names = tuple(self.table["serving_default"].inputs)

        def serving_default(*texts: tf.Tensor) -> Tensors:
            texts = _of_one_batch(names, self.limits.admit_strings(texts))
            return self.answer_texts(dict(zip(names, self.admitted_text(texts))))

        def tokens(*tensors: tf.Tensor) -> Tensors:
            inputs = dict(zip(TF1_HUB, self.limits.admit_ids(tensors)))
            cls_id = self.special_ids.cls
            return self.answer_rows(*encoder_inputs.standardize(inputs, TF1_HUB, cls_id))

        def examples(records: tf.Tensor) -> Tensors:
            features = {n: _feature(s) for n, s in self.table["serving_default"].inputs.items()}
            parsed = tf.io.parse_example(*self.limits.admit_strings([records]), features)
            texts = self.admitted_text([self._dense(parsed[name]) for name in names])
            return self.answer_texts(dict(zip(names, texts)))

        functions = dict(serving_default=serving_default, tokens=tokens, examples=examples)
        return {name: self.table[name].bind(function) for name, function in functions.items()}

    def admitted_text(self, texts: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        """Returns the texts, after checking how large they are when they are normalized."""
        return self.limits.admit_texts(texts, self.graph_tokenizer.preprocessing)

    def _dense(self, text: tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
        """Returns the texts of one input; lists of different lengths are padded with ""."""
        if not isinstance(text, tf.RaggedTensor):
            return text
        size = tf.reduce_prod(text.bounding_shape(out_type=tf.int64))
        return self.limits.admit("tokens", size, text).to_tensor()

    def features(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        """Returns the inputs by the names that the model uses."""
        return dict(zip(TEXT_ENCODER, (ids, mask, types)))

    def pack(self, segments: Sequence[tf.RaggedTensor], length: tf.Tensor) -> Sequence[tf.Tensor]:
        """Returns ids, mask and types, int32 [B, S].

        Args:
          segments: one or two segments, int32 [B, (tokens)] each.
          length: S.
        """
        packed = graph_packing.pack(segments, length, self.special_ids)
        return [packed[name] for name in TEXT_ENCODER[:3]]


def _values(answer: Any) -> Any:
    """Returns the values of an entry if it is a mapping, otherwise the entry itself."""
    return list(answer.values()) if isinstance(answer, Mapping) else answer


def _of_one_batch(names: Sequence[str], texts: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
    """Returns the texts, with a check that all inputs have the same number of rows."""
    sizes = [tf.shape(text)[0] for text in texts]
    rule = f"{', '.join(names)} must have the same batch size. Send each for every row. Received:"
    return [checked(text, tf.reduce_all(tf.equal(sizes[0], sizes)), rule, *sizes) for text in texts]


def _feature(spec: Spec) -> Any:
    if len(spec.axes) == 1:
        return tf.io.FixedLenFeature([], spec.dtype)
    return tf.io.RaggedFeature(spec.dtype, row_splits_dtype=tf.int64)
