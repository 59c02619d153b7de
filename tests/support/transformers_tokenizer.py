"""Tokenizes as transformers does, in a process without TensorFlow.

python transformers_tokenizer.py VOCABULARY.model CASES.json OUTPUT.json

A case has the arguments of a call: "texts", "text_pairs" or null, and options.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import tokenizers
import transformers

KEYS = ("input_ids", "attention_mask", "token_type_ids", "special_tokens_mask", "offset_mapping")


def load(vocabulary):
    """Returns the tokenizer of a SentencePiece model.

    transformers 5 makes the pieces that training was given, such as "-", added tokens, at which it
    splits texts. Neither the original nor transformers 4 does so, so they are removed here.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(vocabulary, Path(folder, "spiece.model"))
        tokenizer = transformers.AlbertTokenizer.from_pretrained(folder)
    state = json.loads(tokenizer._tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["special"]]
    tokenizer._tokenizer = tokenizers.Tokenizer.from_str(json.dumps(state))
    return tokenizer


def encoded(tokenizer, texts, text_pairs, options):
    """Returns what a call of the tokenizer returns, and what look-ups in it return."""
    options = dict(options)
    tokenizer.truncation_side = options.pop("truncation_side", "right")
    result = tokenizer(
        texts,
        text_pairs,
        return_special_tokens_mask=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
        **options,
    )
    values = {key: result[key] for key in KEYS}
    values["overflow_to_sample_mapping"] = result.get("overflow_to_sample_mapping")
    rows = range(len(result["input_ids"]))
    values["sequence_ids"] = [result.sequence_ids(row) for row in rows]
    values["word_ids"] = [result.word_ids(row) for row in rows]
    segments = range(1 if text_pairs is None else 2)
    values["word_to_tokens"] = [
        [
            [word, segment, result.word_to_tokens(row, word, segment)]
            for word in {*result.word_ids(row)} - {None}
            for segment in segments
        ]
        for row in rows
    ]
    return values


def decoded(tokenizer, rows):
    """Returns the texts of rows of ids."""
    return tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=True)


if __name__ == "__main__":
    vocabulary, cases, output = sys.argv[1:]
    tokenizer = load(vocabulary)
    results = [encoded(tokenizer, **case) for case in json.loads(Path(cases).read_text())]
    for result in results:
        result["decoded"] = decoded(tokenizer, result["input_ids"])
    Path(output).write_text(json.dumps(results))
