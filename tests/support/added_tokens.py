"""Hugging Face folders with added tokens, and what transformers 4 makes of them."""

import json
import shutil
from pathlib import Path

from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.paths import TESTDATA

_GOLDENS = TESTDATA / "tokenization"
FOLDERS = json.loads((_GOLDENS / "added_tokens.json").read_text())["folders"]
# Random tokens and flags; see the README there.
RANDOM = json.loads((_GOLDENS / "added_tokens_random.json").read_text(encoding="utf-8"))
SIZE = 1000  # pieces of spm.model


def write_folder(name: str, folder: Path) -> Path:
    """Writes the tokenizer files of one of `FOLDERS`."""
    shutil.copy(_GOLDENS / "spm.model", folder / "spiece.model")
    for file, values in FOLDERS[name]["files"].items():
        (folder / file).write_text(json.dumps(values))
    return folder


def random_tokenizers():
    """Yields the tokenizers of `RANDOM` with their texts and ids."""
    for values in RANDOM:
        settings = values["lower_case"], values["keep_accents"], "hugging_face"
        tokenizer = AlbertTokenizer(
            _GOLDENS / "spm.model", *settings, added_tokens=values["tokens"]
        )
        yield tokenizer, [text for text, _ in values["cases"]], [ids for _, ids in values["cases"]]
