"""`TaskDescription`: what a fine-tuned model answers, kept as task.json beside its weights."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from albert_tf.errors import InputError, closest
from albert_tf.files import existing, replacing

FILE = "task.json"
TASKS = (
    "classification",
    "regression",
    "question_answering",
    "joint_question_answering",
    "multiple_choice",
    "tagging",
    "fill_mask",
)
# These look at every position, not at the pooled first one; their weights may have no pooler.
WITHOUT_POOLER = ("question_answering", "joint_question_answering", "tagging", "fill_mask")


@dataclasses.dataclass(frozen=True)
class TaskDescription:
    """The task of a model, the names of its outputs, and how its inputs were made.

    Attributes:
      task: one of `TASKS`.
      labels: names of the outputs in their order; empty where outputs have none.
      settings: what predicting needs again, such as column names and the longest sequence.
    """

    task: str
    labels: tuple[str, ...] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises `InputError` for the first rule that is broken."""
        object.__setattr__(self, "labels", tuple(self.labels))
        if self.task not in TASKS:
            raise InputError(
                f"A task must be known. Received {self.task!r}. {closest(str(self.task), TASKS)}"
            )
        if len(set(self.labels)) != len(self.labels):
            raise InputError(f"Labels must differ from each other. Received {list(self.labels)}.")

    @property
    def uses_pooler(self) -> bool:
        """Whether the model of the task reads the pooled output."""
        return self.task not in WITHOUT_POOLER

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
