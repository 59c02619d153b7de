"""Writes the tokenizer files of transformers' BertTokenizer, for WordPiece vocabularies."""

from __future__ import annotations

import json
from pathlib import Path

from albert_tf.formats.source import Source
from albert_tf.tokenization import added_token_files, model_files, special_ids
from albert_tf.tokenization.settings import Preprocessing, path_beside

_KEYS = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")


def write(source: Source, settings: Preprocessing, folder: Path) -> None:
    """Writes vocab.txt, the files of BertTokenizer, and our settings."""
    vocabulary = model_files.load(source.model_file)
    target = folder / "vocab.txt"
    target.write_bytes(vocabulary.serialized_model_proto())
    settings.to_json_file(path_beside(target))
    named = dict(zip(_KEYS, special_ids.WORDPIECE))
    values = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": settings.lower_case,
        "strip_accents": not settings.keep_accents,
        "tokenize_chinese_chars": settings.tokenize_chinese_chars,
        "model_max_length": source.config.max_position_embeddings,
        **named,
    }
    contents = {model_files.TOKENIZER_CONFIG: values, added_token_files.SPECIAL_FILE: named.copy()}
    if settings.added_tokens:
        ids = special_ids.read(vocabulary, f"'{source.model_file}'", special_ids.WORDPIECE)
        pieces = dict(zip(special_ids.WORDPIECE, ids))
        added = added_token_files.to_files(settings.added_tokens, *contents.values(), pieces)
        contents[added_token_files.FILE] = added
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
