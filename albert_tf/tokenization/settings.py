"""`Preprocessing`: the text settings that accompany a vocabulary, and their file."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from albert_tf.errors import InputError, closest
from albert_tf.files import existing, read_json, replacing
from albert_tf.tokenization.added_tokens import AddedToken, parse

RULES = ("original", "hugging_face")


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """The settings that are stored with a vocabulary, with data and with exports.

    The defaults are those of the released models.

    Attributes:
      lower_case: whether to lower-case the text.
      keep_accents: whether to keep combining marks; languages such as Turkish or German need them.
      rules: "original", which the released models were trained with, or "hugging_face", which
        gives the same ids as that library's slow tokenizer. The two differ in how they split
        digits before a comma, in `` and '', in when the text is lower-cased, and in text such as
        "[MASK]", which only "hugging_face" turns into the special id. With WordPiece, they differ
        in that, and in the length of the longest word, 200 or 100 characters.
      added_tokens: the tokens that extend the pieces of the model, ordered by id; a sequence of
        `AddedToken` or of their JSON objects.
      tokenize_chinese_chars: whether each Chinese character is a word of its own; for WordPiece
        only.
    """

    lower_case: bool = True
    keep_accents: bool = False
    rules: str = "original"
    added_tokens: tuple[AddedToken, ...] = ()
    tokenize_chinese_chars: bool = True

    def __post_init__(self) -> None:
        """Raises `InputError` for the first invalid setting."""
        for name in ("lower_case", "keep_accents", "tokenize_chinese_chars"):
            if type(getattr(self, name)) is not bool:
                value = getattr(self, name)
                raise InputError(f"{name} must be true or false. Received {value!r:.80}.")
        if self.rules not in RULES:
            raise InputError(
                f"rules must be the name of a rule set. Received {self.rules!r:.80}. "
                f"{closest(str(self.rules)[:80], RULES)}"
            )
        object.__setattr__(self, "added_tokens", parse(self.added_tokens))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Returns settings from a dict; missing keys take their defaults.

        Raises:
          InputError: a key is unknown, or a value is invalid.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        for key in values:
            if key not in fields:
                raise InputError(
                    "Preprocessing settings must have known keys only. "
                    f"Received {key!r:.80}. {closest(key, fields)}"
                )
        return cls(**values)

    @classmethod
    def from_json_file(cls, path: str | os.PathLike) -> Preprocessing:
        """Reads a preprocess.json file.

        Raises:
          InputError: the file is missing, is not a JSON object, or `from_dict` refuses it.
        """
        path = existing(path, "A preprocessing description")
        return cls.from_dict(read_json(path, "A preprocessing description"))

    def to_dict(self) -> dict[str, Any]:
        """Returns the keys with their values as in JSON; rare ones only if they are set."""
        values = dataclasses.asdict(self)
        values["added_tokens"] = list(values["added_tokens"])
        rare = {"added_tokens": [], "tokenize_chinese_chars": True}
        return {key: value for key, value in values.items() if rare.get(key) != value}

    def __str__(self) -> str:
        values = self.to_dict()
        if self.added_tokens:
            values["added_tokens"] = " ".join(token.content for token in self.added_tokens)
        return ", ".join(f"{key}={value}" for key, value in values.items())

    def to_json_file(self, path: str | os.PathLike) -> None:
        """Writes a preprocess.json file."""
        with replacing(path) as temporary:
            Path(temporary).write_text(json.dumps(self.to_dict(), indent=2) + "\n")

    def check_same(self, other: Preprocessing, ours: str, theirs: str) -> None:
        """Raises `InputError` if `other` differs; `ours` and `theirs` name the two origins."""
        if self != other:
            raise InputError(
                "Text must be preprocessed the same way from vocabulary to export. Received "
                f"{self.to_dict()!s:.500} for {ours}, but {other.to_dict()!s:.500} for {theirs}. "
                "Use the same settings, or rebuild the data."
            )


def path_beside(model_file: str | os.PathLike) -> Path:
    """Returns the path of a vocabulary's settings: `<stem>.preprocess.json`."""
    model_file = Path(model_file)
    return model_file.with_name(f"{model_file.stem}.preprocess.json")
