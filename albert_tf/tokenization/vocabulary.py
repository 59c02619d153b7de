"""Training a SentencePiece vocabulary from lines of text, with the flags of the released models."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import sentencepiece

from albert_tf.errors import InputError
from albert_tf.files import check_writable, replacing
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

# SentencePiece drops longer lines without a word; they are cut at spaces instead.
MAX_LINE_BYTES = 4192


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

    Lines are read once, as a stream, and normalised as the tokenizer will do. Training happens in
    memory; the files appear when all of it succeeded. The same lines give the same bytes.

    Args:
      lines: the text, a line at a time.
      output: the path of the files without their endings.
      vocab_size: ids in all; 30000 in the released models. The text must support it.
      preprocessing: how text is prepared, here and wherever the vocabulary is used; None for
        the default `Preprocessing()`.
      character_coverage: share of the characters that get a piece; the official value.
      input_sentence_size: lines that are kept, a random sample of all; bounds the memory.
      num_threads: threads of SentencePiece; 16 is its own default.
      overwrite: replace files of that name.

    Returns:
      The path of the model.

    Raises:
      InputError: a file exists or cannot be written, an argument or the text breaks a rule.
    """
    preprocessing = preprocessing or Preprocessing()
    model_file, vocab_file = output_files(output, overwrite)
    _check(vocab_size, character_coverage, input_sentence_size, num_threads)
    sizes = {
        "vocab_size": vocab_size,
        "character_coverage": character_coverage,
        "input_sentence_size": input_sentence_size,
        "num_threads": num_threads,
    }
    proto = _train(_prepared(lines, preprocessing), **sizes)
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(proto)
    special_ids.read(processor, "the model just trained")
    preprocessing.to_json_file(path_beside(model_file))
    with replacing(vocab_file) as temporary:
        temporary.write_text(_listing(processor), encoding="utf-8")
    with replacing(model_file) as temporary:
        temporary.write_bytes(proto)
    return model_file


def output_files(output: str | os.PathLike, overwrite: bool = False) -> tuple[Path, Path]:
    """Returns the paths of the model and of its listing, and changes nothing.

    Raises:
      InputError: one of the files exists and `overwrite` is false, or they cannot be written.
    """
    output = Path(output).expanduser()
    model_file = output.with_name(f"{output.name}.model")
    vocab_file = output.with_name(f"{output.name}.vocab")
    for path in (model_file, vocab_file, path_beside(model_file)):
        if path.exists() and not overwrite:
            raise InputError(
                f"A vocabulary must not replace another unasked. Received '{output}', but "
                f"'{path}' exists. Name another, remove it, or ask for overwriting."
            )
    check_writable(output.parent, "The folder of the vocabulary")
    return model_file, vocab_file


def _check(
    vocab_size: int, character_coverage: float, input_sentence_size: int, num_threads: int
) -> None:
    fixed = len(special_ids.PIECES) + len(OFFICIAL_FLAGS["user_defined_symbols"])
    if type(vocab_size) is not int or vocab_size <= fixed:
        raise InputError(
            f"vocab_size must be larger than the {fixed} pieces that every vocabulary has. "
            f"Received {vocab_size!r}."
        )
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
    """Yields parts of at most `MAX_LINE_BYTES` bytes, cut at spaces where there are any."""
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
        # SentencePiece turns an error of the reader into one of its own; keep the first.
        nonlocal count
        try:
            for line in lines:
                count += 1
                yield line
        except BaseException as error:
            failures.append(error)
            raise

    proto = io.BytesIO()
    # The generator behind the sampling is global: seed it, so that equal lines give equal bytes.
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
    """Returns what a user can do about a message of SentencePiece."""
    if not count:
        return InputError(
            "A vocabulary needs text. Received no line that is not blank. Check the input files."
        )
    if high := re.search(r"set it to a value <= (\d+)", message):
        return InputError(
            f"vocab_size must not exceed what the text supports, {high.group(1)} pieces here. "
            f"Received vocab_size={vocab_size} and {count} lines. "
            f"Set vocab_size to at most {high.group(1)}, or give more text."
        )
    if low := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return InputError(
            f"vocab_size must have room for every character, {low.group(1)} pieces here. "
            f"Received vocab_size={vocab_size}. Set vocab_size above {low.group(1)}, or lower "
            "character_coverage."
        )
    return InputError(
        f"A vocabulary needs text that SentencePiece can train on. Received {count} lines, on "
        f"which it failed: {message}"
    )


def _listing(processor: sentencepiece.SentencePieceProcessor) -> str:
    """Returns a line for each id, the piece and its score, as SentencePiece writes *.vocab."""
    return "".join(
        f"{processor.id_to_piece(i)}\t{processor.get_score(i):g}\n"
        for i in range(processor.get_piece_size())
    )
