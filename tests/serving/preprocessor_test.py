"""The preprocessor, saved, moved and used by a process that does not import this package."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.serving.preprocessor import PreprocessorModule
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.paths import ROOT, TESTDATA

GOLDENS = TESTDATA / "tokenization"
TEXTS = ["Hello, wörld 1,000,", "", "a longer text, that is cut", "[MASK] İ ``x''"]
OTHERS = ["x", "y z", "two words and more of them", ""]

PROGRAM = """
import json, sys
import tensorflow as tf, tensorflow_hub as hub, tensorflow_text, tf_keras
path, texts, others = sys.argv[1], *map(json.loads, sys.argv[2:])
module = hub.load(path)
plain = lambda inputs: {name: values.numpy().tolist() for name, values in inputs.items()}
tokens = [module.tokenize(tf.constant(t)) for t in (texts, others)]
words = tf.ragged.constant([[[7, 8], [9]], [], [[10]]], dtype=tf.int32, ragged_rank=2)
result = {
    "root": plain(module(tf.constant(texts))),
    "tokens": tokens[0].to_list(),
    "dtype": tokens[0].dtype.name,
    "special": {k: int(v) for k, v in module.tokenize.get_special_tokens_dict().items()},
    "offsets": [r.to_list() for r in module.tokenize_with_offsets(tf.constant(texts))],
    "one": plain(module.bert_pack_inputs(tokens[:1], seq_length=6)),
    "two": plain(module.bert_pack_inputs(tokens, seq_length=tf.constant(9))),
    "default": plain(module.bert_pack_inputs(tokens)),
    "words": plain(module.bert_pack_inputs([words, words], seq_length=8)),
    "one_of_words": plain(module.bert_pack_inputs([words], seq_length=5)),
}
segments = [tf_keras.Input(shape=(), dtype=tf.string) for _ in range(2)]
tokenize = hub.KerasLayer(module.tokenize)
pack = hub.KerasLayer(module.bert_pack_inputs, arguments=dict(seq_length=9))
model = tf_keras.Model(segments, pack([tokenize(s) for s in segments]))
result["keras"] = plain(model([tf.constant(texts), tf.constant(others)]))
layer = hub.KerasLayer(path)
data = tf.data.Dataset.from_tensor_slices(texts).batch(3).map(layer, tf.data.AUTOTUNE)
result["data"] = [row for b in data for row in b["input_word_ids"].numpy().tolist()]
try:
    module.bert_pack_inputs(tokens, seq_length=2)
except tf.errors.InvalidArgumentError as error:
    result["error"] = str(error)
result["package"] = [m for m in sys.modules if m.startswith("albert_tf")]
print(json.dumps(result))
"""


def lists(inputs):
    return {name: values.tolist() for name, values in inputs.items()}


@pytest.mark.clean_process
@pytest.mark.parametrize("rules", ["original", "hugging_face"])
def test_a_process_without_this_package_uses_the_moved_export(tmp_path, rules):
    (tmp_path / "source").mkdir()
    source = Path(shutil.copy(GOLDENS / "spm.model", tmp_path / "source/my.model"))
    tokenizer = AlbertTokenizer(source, rules=rules)
    tf.saved_model.save(PreprocessorModule(tokenizer, seq_length=12), str(tmp_path / "first"))
    shutil.rmtree(tmp_path / "source")
    moved = shutil.move(tmp_path / "first", tmp_path / "moved")
    out = subprocess.run(
        [sys.executable, "-c", PROGRAM, moved, json.dumps(TEXTS), json.dumps(OTHERS)],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    ).stdout
    result = json.loads(out.splitlines()[-1])
    assert result["package"] == []

    def packed(*texts, length):
        return lists(tokenizer(*texts, max_length=length, padding="max_length"))

    assert result["root"] == packed(TEXTS, length=12)
    assert result["data"] == result["root"]["input_word_ids"]
    assert result["tokens"] == tokenizer.encode_batch(TEXTS)
    assert result["dtype"] == "int32"
    assert result["offsets"][0] == result["tokens"]
    spans = tokenizer.tokenize_with_offsets(TEXTS[2])
    assert [rows[2] for rows in result["offsets"]] == [spans.ids, spans.starts, spans.ends]
    assert result["special"] == {
        "padding_id": 0,
        "start_of_sequence_id": 2,
        "end_of_segment_id": 3,
        "mask_id": 4,
        "vocab_size": 1000,
    }
    assert result["one"] == packed(TEXTS, length=6)
    assert result["two"] == result["keras"] == packed(TEXTS, OTHERS, length=9)
    assert result["default"] == packed(TEXTS, OTHERS, length=12)
    rows = [[2, 7, 8, 9, 3, 7, 8, 3], [2, 3, 3, 0, 0, 0, 0, 0], [2, 10, 3, 10, 3, 0, 0, 0]]
    assert result["words"]["input_word_ids"] == rows
    assert result["one_of_words"]["input_word_ids"] == [
        [2, 7, 8, 9, 3],
        [2, 3, 0, 0, 0],
        [2, 10, 3, 0, 0],
    ]
    assert "2 segment(s) must have room for its 3 special tokens" in result["error"]


def test_an_export_has_its_assets_and_no_path_of_this_machine(tmp_path):
    tokenizer = AlbertTokenizer(GOLDENS / "spm.model", lower_case=False)
    tf.saved_model.save(PreprocessorModule(tokenizer), str(tmp_path / "export"))
    again = AlbertTokenizer.from_pretrained(tmp_path / "export")
    assert again.preprocessing == tokenizer.preprocessing
    assert again.model_proto == tokenizer.model_proto
    graph = (tmp_path / "export/saved_model.pb").read_bytes()
    for place in (str(GOLDENS), str(tmp_path), str(ROOT), "/tmp/"):
        assert place.encode() not in graph


def test_an_unsaved_module_gives_the_same_results():
    tokenizer = AlbertTokenizer(GOLDENS / "spm.model")
    module = PreprocessorModule(tokenizer, seq_length=7)
    texts = tf.constant(TEXTS)
    root = module(texts)
    expected = tokenizer(TEXTS, max_length=7, padding="max_length")
    packed = module.bert_pack_inputs([module.tokenize(texts)])
    for name, values in expected.items():
        np.testing.assert_array_equal(root[name], values)
        np.testing.assert_array_equal(packed[name], values)


def test_a_seq_length_without_room_is_an_error():
    tokenizer = AlbertTokenizer(GOLDENS / "spm.model")
    with pytest.raises(InputError, match="2 special tokens. Received seq_length=1"):
        PreprocessorModule(tokenizer, seq_length=1)
