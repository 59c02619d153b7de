"""The table of tasks, and `TaskDescription`, which a fine-tuned model keeps as task.json.

This is the only table keyed by task; each row is a `TaskType`. A row names its classes as strings,
"package.module:Class", because the readers of weight formats import this module and must not import
a model. `register` adds a task from outside the package:

```python
task_types.register(
    TaskType(
        name="ordinal",
        model="my_package.ordinal:OrdinalModel",
        task="my_package.ordinal:OrdinalTask",
        served="my_package.ordinal:ServedOrdinal",
        head=task_types.dense_head("H1"),
    )
)
```

Commands import a package that registers tasks if it names the module as an entry point of the group
"albert_tf.tasks".
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf.embedding_settings import EmbeddingSettings
from albert_tf.errors import InputError, closest
from albert_tf.files import existing, read_json, replacing

FILE = "task.json"
EMBEDDING = "embedding"  # The task whose model has a pooling, and layers that settings add.
ENTRY_POINTS = "albert_tf.tasks"  # Modules of installed packages that call `register`.


class HeadWeight(NamedTuple):
    """A weight that a task adds to the encoder.

    Attributes:
      name: the path of the weight below the model's `head` layer, such as "kernel".
      shape: its axes: letters as in `formats.names` (H hidden size, D twice that, L labels, K the
        layers before the last), or numbers; each is a character of a string, or an item such as
        "12" or "3H" of a tuple.
      tf1: the variable in the original graph; None if the original has no such head.
      hugging_face: the key in model.safetensors; None if transformers has no such head.
      tf1_transposed: whether the original stores the matrix transposed.
    """

    name: str
    shape: str | tuple[str, ...]
    tf1: str | None = None
    hugging_face: str | None = None
    tf1_transposed: bool = False


def dense_head(
    shape: str,
    tf1_kernel: str | None = None,
    tf1_bias: str | None = None,
    hugging_face: str | None = None,
) -> tuple[HeadWeight, HeadWeight]:
    """Returns the weights of a single dense layer, which is the head of most tasks.

    Args:
      shape: the shape of the kernel as two letters.
      tf1_kernel: the kernel's variable in the original graph, which stores it transposed.
      tf1_bias: the bias variable in the original graph.
      hugging_face: the name of the layer in transformers.
    """
    weight, bias = (
        (f"{hugging_face}.weight", f"{hugging_face}.bias") if hugging_face else (None,) * 2
    )
    return (
        HeadWeight("kernel", shape, tf1_kernel, weight, tf1_transposed=True),
        HeadWeight("bias", shape[1], tf1_bias, bias),
    )


@dataclasses.dataclass(frozen=True)
class TaskType:
    """A row of the table.

    Attributes:
      name: the name of the task in task.json.
      model: the `TaskModel` class, as "package.module:Class".
      task: the `FineTuningTask` class, in the same form.
      served: the `ServedTask` class that is exported, in the same form.
      head: the weights that the task adds; empty if it uses a pretraining head.
      head_of: returns further weights, which the settings of a model add.
      hugging_face: the class in transformers; "" if transformers has none.
      uses_pooler: whether the model reads the pooled output. If not, the pooler is not trained, and
        weights without a pooler are complete.
    """

    name: str
    model: str
    task: str
    served: str
    head: tuple[HeadWeight, ...] = ()
    hugging_face: str = ""
    uses_pooler: bool = True
    head_of: Callable[[Mapping[str, Any]], tuple[HeadWeight, ...]] = lambda settings: ()

    @property
    def model_class(self) -> Any:
        """The model class, imported on first use."""
        return _load(self.model)

    @property
    def task_class(self) -> Any:
        """The task class, imported on first use."""
        return _load(self.task)

    @property
    def served_class(self) -> Any:
        """The served class, imported on first use."""
        return _load(self.served)

    @property
    def has_labels(self) -> bool:
        """Whether the head has an output for each label."""
        return any("L" in weight.shape for weight in self.head)


def _load(name: str) -> Any:
    module, _, class_name = name.partition(":")
    return getattr(importlib.import_module(module), class_name)


def _builtin(
    name: str,
    folder: str,
    classes: str,
    head: tuple[HeadWeight, ...] = (),
    hugging_face: str = "",
    uses_pooler: bool = True,
    prefix: str = "",
    **kwargs: Any,
) -> TaskType:
    model, task, served = classes.split()
    package = f"albert_tf.tasks.{folder}"
    return TaskType(
        name,
        f"{package}.{prefix}model:{model}",
        f"{package}.{prefix}task:{task}",
        f"{package}.served:{served}",
        head,
        hugging_face,
        uses_pooler,
        **kwargs,
    )


def _dense_layers(settings: Mapping[str, Any]) -> tuple[HeadWeight, ...]:
    """Returns the weights of the dense layers of a model for embeddings."""
    torch = {"kernel": "linear.weight", "bias": "linear.bias"}
    return tuple(
        HeadWeight(name, shape, hugging_face=f"{layer.replace('/', '.')}.{torch[kind]}")
        for name, shape in EmbeddingSettings.of(settings).weights()
        for layer, _, kind in [name.rpartition("/")]
    )


def _exit_heads(settings: Mapping[str, Any]) -> tuple[HeadWeight, ...]:
    """Returns the weights of the heads of layers before the last; no other library has them."""
    if not settings.get("early_exit"):
        return ()
    return (HeadWeight("exits/kernel", ("K", "H", "L")), HeadWeight("exits/bias", ("K", "L")))


# From run_classifier.py; run_race.py has the same head with one output.
_CLASSIFIER = dense_head("HL", "output_weights", "output_bias", "classifier")
# From squad_utils.py:create_v2_model; no other library has this head.
_JOINT_HEAD = (
    HeadWeight("start/kernel", "H1", "start_logits/dense/kernel"),
    HeadWeight("start/bias", "1", "start_logits/dense/bias"),
    HeadWeight("end_hidden/kernel", "DH", "end_logits/dense_0/kernel"),
    HeadWeight("end_hidden/bias", "H", "end_logits/dense_0/bias"),
    HeadWeight("end_norm/gamma", "H", "end_logits/LayerNorm/gamma"),
    HeadWeight("end_norm/beta", "H", "end_logits/LayerNorm/beta"),
    HeadWeight("end/kernel", "H1", "end_logits/dense_1/kernel"),
    HeadWeight("end/bias", "1", "end_logits/dense_1/bias"),
    HeadWeight("impossible_hidden/kernel", "DH", "answer_class/dense_0/kernel"),
    HeadWeight("impossible_hidden/bias", "H", "answer_class/dense_0/bias"),
    HeadWeight("impossible/kernel", "H1", "answer_class/dense_1/kernel"),
)

# Where several rows share a transformers class or an original head, readers choose the first.
_TYPES: dict[str, TaskType] = {
    row.name: row
    for row in (
        _builtin(
            "classification",
            "classification",
            "AlbertClassifier ClassificationTask ServedClassifier",
            _CLASSIFIER,
            "AlbertForSequenceClassification",
            head_of=_exit_heads,
        ),
        _builtin(
            "regression",
            "classification",
            "AlbertClassifier ClassificationTask ServedClassifier",
            _CLASSIFIER,
            "AlbertForSequenceClassification",
        ),
        _builtin(
            "multi_label",
            "classification",
            "AlbertClassifier ClassificationTask ServedClassifier",
            _CLASSIFIER,
            "AlbertForSequenceClassification",
            head_of=_exit_heads,
        ),
        _builtin(
            "question_answering",
            "question_answering",
            "AlbertSpanLabeler QuestionAnsweringTask ServedQuestionAnswering",
            dense_head("H2", "cls/squad/output_weights", "cls/squad/output_bias", "qa_outputs"),
            "AlbertForQuestionAnswering",
            uses_pooler=False,
        ),
        _builtin(
            "joint_question_answering",
            "question_answering",
            "AlbertJointSpanLabeler JointQuestionAnsweringTask ServedJointQuestionAnswering",
            _JOINT_HEAD,
            uses_pooler=False,
            prefix="joint_",
        ),
        _builtin(
            "multiple_choice",
            "multiple_choice",
            "AlbertMultipleChoice MultipleChoiceTask ServedMultipleChoice",
            dense_head("H1", "output_weights", "output_bias", "classifier"),
            "AlbertForMultipleChoice",
        ),
        _builtin(
            "tagging",
            "tagging",
            "AlbertTokenClassifier TaggingTask ServedTagging",
            _CLASSIFIER,
            "AlbertForTokenClassification",
            uses_pooler=False,
        ),
        _builtin(
            "fill_mask",
            "fill_mask",
            "AlbertMaskedLM FillMaskTask ServedFillMask",
            hugging_face="AlbertForMaskedLM",
            uses_pooler=False,
        ),
        _builtin(
            EMBEDDING,
            "embedding",
            "AlbertEmbedder EmbeddingTask ServedEmbedding",
            uses_pooler=False,
            head_of=_dense_layers,
        ),
    )
}


def register(task_type: TaskType) -> None:
    """Adds a task, or replaces a registered task of the same name.

    Raises:
      InputError: the name is that of a built-in task.
    """
    if task_type.name in _BUILTIN:
        raise InputError(
            "A registered task must not have the name of a built-in task. Received "
            f"{task_type.name!r}. Choose another name."
        )
    _TYPES[task_type.name] = task_type


_BUILTIN = frozenset(_TYPES)


def names() -> tuple[str, ...]:
    """Returns the names of all tasks, built-in tasks first."""
    return tuple(_TYPES)


def all_types() -> tuple[TaskType, ...]:
    """Returns all rows, built-in tasks first."""
    return tuple(_TYPES.values())


def get(name: str) -> TaskType:
    """Returns the row of a task.

    Raises:
      InputError: there is no such task.
    """
    if isinstance(name, str) and name not in _TYPES:
        _import_installed()
    if not isinstance(name, str) or name not in _TYPES:
        raise InputError(f"Unknown task. Received {name!r:.80}. {closest(str(name)[:80], _TYPES)}")
    return _TYPES[name]


@functools.cache
def _import_installed() -> None:
    """Imports the modules that installed packages name as entry points; they call `register`."""
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        entry_point.load()


@dataclasses.dataclass(frozen=True)
class TaskDescription:
    """The task of a model, the names of its outputs, and how its inputs were made.

    Attributes:
      task: the name of a row in the table.
      labels: the names of the outputs, in order; empty if the outputs have no names.
      settings: the settings that prediction needs, such as column names and the sequence length.
    """

    task: str
    labels: tuple[str, ...] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises `InputError` for the first broken rule."""
        labels, settings = self.labels, self.settings
        if not isinstance(labels, (list, tuple)) or not all(isinstance(n, str) for n in labels):
            raise InputError(f"Labels must be a list of names. Received {labels!r:.80}.")
        if not isinstance(settings, Mapping):
            raise InputError(f"The settings of a task must be by name. Received {settings!r:.80}.")
        object.__setattr__(self, "labels", tuple(labels))
        get(self.task)
        if len(set(self.labels)) != len(self.labels):
            raise InputError(f"Labels must be unique. Received {str(list(self.labels)):.200}.")

    @classmethod
    def of_classifier(cls, labels: tuple[str, ...]) -> TaskDescription:
        """Returns the task of a classification head; a head with one output is for regression."""
        return cls("classification", labels) if len(labels) > 1 else cls("regression")

    @property
    def type(self) -> TaskType:
        """The row of the task in the table."""
        return get(self.task)

    @property
    def head(self) -> tuple[HeadWeight, ...]:
        """The weights that the task adds to the encoder, with those that its settings add."""
        return (*self.type.head, *self.type.head_of(self.settings))

    @classmethod
    def from_json_file(cls, path: str | os.PathLike) -> TaskDescription:
        """Reads a task.json.

        Raises:
          InputError: the file is missing, is not a JSON object with known keys only, or breaks a
            rule.
        """
        path = existing(path, "A task description")
        fields = [field.name for field in dataclasses.fields(cls)]
        values = read_json(path, "A task description")
        unknown = sorted(set(values) - set(fields))
        if unknown or "task" not in values:
            raise InputError(
                f"A task description must have the key 'task' and no keys other than {fields}. "
                f"Received {str(sorted(values)):.200} in '{path}'."
            )
        return cls(**values)

    @classmethod
    def beside(cls, folder: str | os.PathLike) -> TaskDescription | None:
        """Returns the task description in a folder, or None if there is none."""
        path = Path(folder) / FILE
        return cls.from_json_file(path) if path.is_file() else None

    def to_json(self) -> str:
        """Returns the text of a task.json."""
        values = {**dataclasses.asdict(self), "labels": list(self.labels)}
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    def to_json_file(self, path: str | os.PathLike) -> None:
        """Writes a task.json."""
        with replacing(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")
