"""Trains a SentencePiece vocabulary on lines of text, with the flags of the released models."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import sentencepiece

from albert_tf.errors import InputError
from albert_tf.files import check_space, check_writable, replacing
from albert_tf.tokenization import special_ids
from albert_tf.tokenization.normalization import normalize
from albert_tf.tokenization.settings import Preprocessing, path_beside

# README.md of google-research/albert, section SentencePiece.
OFFICIAL_FLAGS = {
    "model_type": "unigram",
    "pad_id": 0,
    "unk_id": 1,
    "bos_id": -1,
    "eos_id": -1,
    "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
    "user_defined_symbols": ["(", ")", '"', "-", ".", "–", "£", "€"],
    "shuffle_input_sentence": True,
}

# SentencePiece silently drops longer lines; they are split at spaces instead.
MAX_LINE_BYTES = 4192
# A piece takes at least these bytes: 10 in the model with its score, 4 in the listing.
_PIECE_BYTES = 14


def train(
    lines: Iterable[str],
    output: str | os.PathLike,
    vocab_size: int = 30000,
    preprocessing: Preprocessing | None = None,
    character_coverage: float = 0.99995,
    input_sentence_size: int = 10_000_000,
    num_threads: int = 16,
    overwrite: bool = False,
) -> Path:
    """Trains a vocabulary and writes `<output>.model`, `.vocab` and `.preprocess.json`.

    Lines are read once, as a stream, and normalised as the tokenizer normalises text. Training
    happens in memory, and files are written only if it succeeds. The same lines give the same
    bytes.

    Args:
      lines: the text, one line at a time.
      output: the path of the files without their extensions.
      vocab_size: the number of ids; 30000 in the released models. The text must support it.
      preprocessing: the settings for training, which are stored with the vocabulary and apply
        wherever it is used; None for the default `Preprocessing()`.
      character_coverage: the share of the characters that get a piece; by default the official
        value.
      input_sentence_size: the number of lines to sample at random from all lines, which bounds the
        memory.
      num_threads: the number of SentencePiece threads; 16 is SentencePiece's default.
      overwrite: whether to replace existing files.

    Returns:
      The path of the model.

    Raises:
      InputError: a file exists or cannot be written, an argument is invalid, or the text cannot
        support the vocabulary.
    """
    preprocessing = preprocessing or Preprocessing()
    _check(vocab_size, character_coverage, input_sentence_size, num_threads)
    model_file, vocab_file = output_files(output, overwrite, vocab_size)
    sizes = {
        "vocab_size": vocab_size,
        "character_coverage": character_coverage,
        "input_sentence_size": input_sentence_size,
        "num_threads": num_threads,
    }
    proto = _train(_prepared(lines, preprocessing), **sizes)
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(proto)
    special_ids.read(processor, "the trained model")
    # The files are renamed one right after the other, so that they belong together.
    with (
        replacing(model_file) as model,
        replacing(vocab_file) as listed,
        replacing(path_beside(model_file)) as described,
    ):
        preprocessing.to_json_file(described)
        listed.write_text(listing(processor), encoding="utf-8")
        model.write_bytes(proto)
    return model_file


def output_files(
    output: str | os.PathLike, overwrite: bool = False, vocab_size: int = 0
) -> tuple[Path, Path]:
    """Returns the paths of the model and of its listing, without creating them.

    Raises:
      InputError: one of the files exists and `overwrite` is false, the folder is not writable, or
        the disk has no room for `vocab_size` pieces.
    """
    output = Path(output).expanduser()
    model_file = output.with_name(f"{output.name}.model")
    vocab_file = output.with_name(f"{output.name}.vocab")
    for path in (model_file, vocab_file, path_beside(model_file)):
        if path.exists() and not overwrite:
            raise InputError(
                f"A vocabulary is not overwritten by default. Received '{output}', but '{path}' "
                "exists. Choose another name, remove the file, or pass --overwrite."
            )
    check_writable(output.parent, "The folder of the vocabulary")
    check_space(output.parent, vocab_size * _PIECE_BYTES)
    return model_file, vocab_file


def check_size(vocab_size: int) -> None:
    """Raises `InputError` for a size without room for pieces of the text."""
    fixed = len(special_ids.PIECES) + len(OFFICIAL_FLAGS["user_defined_symbols"])
    if type(vocab_size) is not int or vocab_size <= fixed:
        raise InputError(
            f"vocab_size must be larger than the {fixed} pieces that every vocabulary has. "
            f"Received {vocab_size!r}. Use a larger one."
        )


def _check(
    vocab_size: int, character_coverage: float, input_sentence_size: int, num_threads: int
) -> None:
    check_size(vocab_size)
    if not 0.0 < character_coverage <= 1.0:
        raise InputError(f"character_coverage must lie in (0, 1]. Received {character_coverage!r}.")
    if input_sentence_size != 0 and input_sentence_size <= 100:
        raise InputError(
            "input_sentence_size must be 0 (all lines) or more than 100. "
            f"Received {input_sentence_size!r}."
        )
    if num_threads < 1:
        raise InputError(f"num_threads must be at least 1. Received {num_threads!r}.")


def _prepared(lines: Iterable[str], preprocessing: Preprocessing) -> Iterator[str]:
    for line in lines:
        text = normalize(line, preprocessing)
        if len(text) * 4 <= MAX_LINE_BYTES:
            if text:
                yield text
        else:
            yield from _chunks(text)


def _chunks(text: str) -> Iterator[str]:
    """Yields chunks of at most `MAX_LINE_BYTES` bytes, split at spaces where possible."""
    limit = MAX_LINE_BYTES // 4  # A character has at most four bytes.
    begin = 0
    while begin < len(text):
        end = begin + limit
        if end < len(text):
            space = text.rfind(" ", begin, end)
            end = space if space > begin else end
        yield text[begin:end].strip()
        begin = end


def _train(lines: Iterator[str], **sizes: float) -> bytes:
    """Returns the serialised model."""
    failures: list[BaseException] = []
    count = 0

    def watched() -> Iterator[str]:
        # SentencePiece replaces an error of the reader with its own; keep the original.
        nonlocal count
        try:
            for line in lines:
                count += 1
                yield line
        except BaseException as error:
            failures.append(error)
            raise

    proto = io.BytesIO()
    # Sampling uses a global generator; seeding it makes the same lines give the same bytes.
    sentencepiece.set_random_generator_seed(0)
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=watched(),
            model_writer=proto,
            minloglevel=2,
            **OFFICIAL_FLAGS,
            **sizes,
        )
    except RuntimeError as error:
        if failures:
            raise failures[0] from None
        raise _explained(str(error), count, int(sizes["vocab_size"])) from error
    return proto.getvalue()


def _explained(message: str, count: int, vocab_size: int) -> InputError:
    """Translates a message of SentencePiece into an error that says what to change."""
    if not count:
        return InputError(
            "A vocabulary needs text. Received only blank lines, or none. Check the input files."
        )
    if high := re.search(r"set it to a value <= (\d+)", message):
        return InputError(
            f"vocab_size must not exceed what the text supports, {high.group(1)} pieces here. "
            f"Received vocab_size={vocab_size} and {count} lines. "
            f"Set vocab_size to at most {high.group(1)}, or add more text."
        )
    if low := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return InputError(
            f"vocab_size must have room for every character, {low.group(1)} pieces here. "
            f"Received vocab_size={vocab_size}. Set vocab_size above {low.group(1)}, or lower "
            "character_coverage."
        )
    return InputError(
        f"A vocabulary needs text that SentencePiece can train on. Received {count} lines; "
        f"SentencePiece failed on them: {message}"
    )


def listing(processor: sentencepiece.SentencePieceProcessor) -> str:
    """Returns one line per id with its piece and score, in the format of SentencePiece's .vocab."""
    return "".join(
        f"{processor.id_to_piece(i)}\t{processor.get_score(i):g}\n"
        for i in range(processor.get_piece_size())
    )
