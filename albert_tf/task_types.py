"""The table of tasks, and `TaskDescription`, which a fine-tuned model keeps as task.json.

`TaskType` is the only table keyed by task. A row names the classes of a task as text,
"package.module:Class", because this module is imported by readers of weights, which know no model.
`register` adds a task from outside the package:

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
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf.errors import InputError, closest
from albert_tf.files import existing, replacing

FILE = "task.json"


class HeadWeight(NamedTuple):
    """A weight that a task adds to the encoder.

    Attributes:
      name: its path below the layer `head` of the model, such as "kernel".
      shape: letters as in `formats.names`: H hidden size, D twice that, L labels; or digits.
      tf1: the variable of the original graph; None where the original has no such head.
      hugging_face: the key in model.safetensors; None where transformers has no such head.
      tf1_transposed: whether the original stores the transposed matrix.
    """

    name: str
    shape: str
    tf1: str | None = None
    hugging_face: str | None = None
    tf1_transposed: bool = False


def dense_head(
    shape: str,
    tf1_kernel: str | None = None,
    tf1_bias: str | None = None,
    hugging_face: str | None = None,
) -> tuple[HeadWeight, HeadWeight]:
    """Returns the weights of one dense layer, the head of most tasks.

    Args:
      shape: of the kernel, two letters.
      tf1_kernel: the kernel's variable in the original graph, which stores it transposed.
      tf1_bias: the bias's variable.
      hugging_face: the layer in transformers.
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
      name: as in task.json.
      model: the `TaskModel`, as "package.module:Class".
      task: the `FineTuningTask`, likewise.
      served: the `ServedTask` that exports write, likewise.
      head: weights that the task adds; empty if it uses a head of pretraining.
      hugging_face: the class of transformers; "" if it has none.
      uses_pooler: whether the model reads the pooled output. Without it, the pooler is not trained,
        and weights without one are complete.
    """

    name: str
    model: str
    task: str
    served: str
    head: tuple[HeadWeight, ...] = ()
    hugging_face: str = ""
    uses_pooler: bool = True

    @property
    def model_class(self) -> Any:
        """The class of the model, imported at first use."""
        return _load(self.model)

    @property
    def task_class(self) -> Any:
        """The class of the task, imported at first use."""
        return _load(self.task)

    @property
    def served_class(self) -> Any:
        """The class of the exported task, imported at first use."""
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
    )


# run_classifier.py, and run_race.py with one output.
_CLASSIFIER = dense_head("HL", "output_weights", "output_bias", "classifier")
# squad_utils.py:create_v2_model; no other library has this head.
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

# A class of transformers, or a head of the original, is read as the first row that has it.
_TYPES: dict[str, TaskType] = {
    row.name: row
    for row in (
        _builtin(
            "classification",
            "classification",
            "AlbertClassifier ClassificationTask ServedClassifier",
            _CLASSIFIER,
            "AlbertForSequenceClassification",
        ),
        _builtin(
            "regression",
            "classification",
            "AlbertClassifier ClassificationTask ServedClassifier",
            _CLASSIFIER,
            "AlbertForSequenceClassification",
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
    )
}


def register(task_type: TaskType) -> None:
    """Adds a task, or replaces one that was registered under the same name from outside.

    Raises:
      InputError: the name is one of the package's own tasks.
    """
    if task_type.name in _BUILTIN:
        raise InputError(
            f"A registered task must have a new name. Received {task_type.name!r}, which is "
            "built in. Choose another name."
        )
    _TYPES[task_type.name] = task_type


_BUILTIN = frozenset(_TYPES)


def names() -> tuple[str, ...]:
    """Returns the names of all tasks, those of the package first."""
    return tuple(_TYPES)


def all_types() -> tuple[TaskType, ...]:
    """Returns all rows, those of the package first."""
    return tuple(_TYPES.values())


def get(name: str) -> TaskType:
    """Returns the row of a task.

    Raises:
      InputError: there is no such task.
    """
    if name not in _TYPES:
        raise InputError(f"A task must be known. Received {name!r}. {closest(str(name), _TYPES)}")
    return _TYPES[name]


@dataclasses.dataclass(frozen=True)
class TaskDescription:
    """The task of a model, the names of its outputs, and how its inputs were made.

    Attributes:
      task: a name in the table.
      labels: names of the outputs in their order; empty where outputs have none.
      settings: what prediction needs again, such as column names and the longest sequence.
    """

    task: str
    labels: tuple[str, ...] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises `InputError` for the first rule that is broken."""
        object.__setattr__(self, "labels", tuple(self.labels))
        get(self.task)
        if len(set(self.labels)) != len(self.labels):
            raise InputError(f"Labels must differ from each other. Received {list(self.labels)}.")

    @classmethod
    def of_classifier(cls, labels: tuple[str, ...]) -> TaskDescription:
        """Returns the task of a classification head: a head with one output is a regression."""
        return cls("classification", labels) if len(labels) > 1 else cls("regression")

    @property
    def type(self) -> TaskType:
        """The row of the task."""
        return get(self.task)

    @classmethod
    def from_json_file(cls, path: str | os.PathLike) -> TaskDescription:
        """Reads a task.json.

        Raises:
          InputError: the file is missing, is not a JSON object of known keys, or breaks a rule.
        """
        path = existing(path, "A task description")
        fields = [field.name for field in dataclasses.fields(cls)]
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            unknown = sorted(set(values) - set(fields))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"A task description must be a JSON object. Received '{path}': {error}."
            ) from error
        if unknown or "task" not in values:
            raise InputError(
                f"A task description must have the key 'task' and no keys but {fields}. Received "
                f"{sorted(values)} in '{path}'."
            )
        return cls(**values)

    @classmethod
    def beside(cls, folder: str | os.PathLike) -> TaskDescription | None:
        """Returns the description in a folder, or None if it has none."""
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
