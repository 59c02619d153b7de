"""The files that an encoder carries as assets."""

from __future__ import annotations

from pathlib import Path

from albert_tf.config import AlbertConfig
from albert_tf.tokenization.settings import path_beside
from albert_tf.tokenization.tokenizer import AlbertTokenizer


def write(folder: Path, tokenizer: AlbertTokenizer, config: AlbertConfig) -> dict[str, Path]:
    """Writes the files and returns them by the attribute of the module that holds them.

    - `sp_model_file`: the SentencePiece model, under its own name;
    - `vocab_listing`: its pieces and scores, for people; as SentencePiece writes it;
    - `preprocess_description`: how text is prepared, where `AlbertTokenizer` finds it;
    - `albert_config`: albert_config.json, as in the releases.
    """
    model_file = tokenizer.save(folder)
    listing = model_file.with_suffix(".vocab")
    listing.write_text(_listing(tokenizer), encoding="utf-8")
    config_file = folder / "albert_config.json"
    config.to_json_file(config_file)
    return {
        "sp_model_file": model_file,
        "vocab_listing": listing,
        "preprocess_description": path_beside(model_file),
        "albert_config": config_file,
    }


def _listing(tokenizer: AlbertTokenizer) -> str:
    score = tokenizer.processor.get_score
    return "".join(f"{piece}\t{score(i):g}\n" for i, piece in enumerate(tokenizer.pieces))
