from pathlib import Path

import numpy as np
import pytest

from albert_tf.data.records import count, describe, read_arrays
from albert_tf.data.statistics_report import report
from albert_tf.errors import InputError
from albert_tf.tokenization.tokenizer import AlbertTokenizer

TESTDATA = Path(__file__).parents[1] / "testdata"
ORIGINAL = TESTDATA / "pretraining_data" / "original_first_101.tfrecord"


@pytest.fixture(scope="module")
def tokenizer():
    return AlbertTokenizer(TESTDATA / "tokenization" / "spm.model")


def test_counts_records_of_the_original(tokenizer):
    counts = count([ORIGINAL, ORIGINAL], tokenizer)
    (arrays,) = read_arrays(ORIGINAL, 1000)
    assert counts["instances"] == 202
    assert counts["tokens"] == 2 * arrays["input_mask"].sum()
    assert counts["masked"] == 2 * arrays["masked_lm_weights"].sum()
    assert counts["label/1"] == 2 * arrays["next_sentence_labels"].sum()
    assert sum(n for name, n in counts.items() if name.startswith("length/")) == 202
    masked = [counts[f"masked/{name}"] for name in ("[MASK]", "random", "kept")]
    assert sum(masked) == counts["masked"]
    text = report(counts)
    assert "instances               202" in text
    assert "aim 80 %" in text


def test_describe(tokenizer):
    arrays = {
        "input_ids": [2, 100, 4, 3, 200, 5, 3, 0],
        "input_mask": [1, 1, 1, 1, 1, 1, 1, 0],
        "segment_ids": [0, 0, 0, 0, 1, 1, 1, 0],
        "token_boundary": [1, 1, 0, 1, 0, 1, 1, 0],
        "masked_lm_positions": [2, 4, 0],
        "masked_lm_ids": [101, 200, 0],
        "masked_lm_weights": [1, 1, 0],
        "next_sentence_labels": [1],
    }
    arrays = {name: np.array([values]) for name, values in arrays.items()}
    p = tokenizer.pieces
    boundary = "" if p[100].startswith("▁") else "|"
    assert describe(arrays, 0, tokenizer) == (
        f"A: [CLS] {boundary}{p[100]} [[MASK] -> {p[101]}] [SEP]\n"
        f"B: [{p[200]} -> {p[200]}] |( [SEP]\n"
        "label 1, swapped; 7 tokens of 8; 2 predictions"
    )


def test_ids_outside_the_vocabulary(tokenizer):
    (arrays,) = read_arrays(ORIGINAL, 1000)
    arrays["input_ids"] = arrays["input_ids"].copy()
    arrays["input_ids"][5, 6] = 1000
    with pytest.raises(InputError, match=r"ids below 1000.*Received the id 1000.*manifest\.json"):
        describe(arrays, 5, tokenizer)


def test_a_truncated_file(tmp_path):
    path = tmp_path / "cut.tfrecord"
    path.write_bytes(ORIGINAL.read_bytes()[:-20])
    with pytest.raises(
        InputError, match=r"must be whole.*cut\.tfrecord', whose record 100, counted.*54749"
    ):
        list(read_arrays(path, 1000))
