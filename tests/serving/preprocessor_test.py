"""The preprocessor, saved, moved and used by a process that does not import this package."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras

from albert_tf.errors import InputError
from albert_tf.serving.preprocessor import MAX_SEGMENTS, PreprocessorModule
from albert_tf.tokenization import packing
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


@pytest.fixture(scope="module")
def tokenizer():
    return AlbertTokenizer(GOLDENS / "spm.model")


@pytest.fixture(scope="module")
def path(tokenizer, tmp_path_factory):
    path = tmp_path_factory.mktemp("preprocessor") / "export"
    tf.saved_model.save(PreprocessorModule(tokenizer, seq_length=12), str(path))
    return str(path)


@pytest.fixture(scope="module")
def loaded(path):
    return hub.load(path)


def shapes(values):
    """The static shapes of tensors, with None for a ragged axis, by name or in order."""
    return tf.nest.map_structure(lambda spec: spec.shape.as_list(), values)


def test_a_static_batch_size_stays_static(path, loaded):
    data = tf.data.Dataset.from_tensor_slices(["a b", "c", "", "d"] * 5)
    batches = data.batch(5, drop_remainder=True)
    names = ("input_word_ids", "input_mask", "input_type_ids")
    for module in (loaded, hub.KerasLayer(path)):
        assert shapes(batches.map(module).element_spec) == dict.fromkeys(names, [5, 12])
        assert shapes(data.map(module).element_spec) == dict.fromkeys(names, [12])
        assert shapes(data.batch(5).map(module).element_spec) == dict.fromkeys(names, [None, 12])
    tokens = batches.map(loaded.tokenize)
    assert tokens.element_spec.shape.as_list() == [5, None]
    assert [s.shape.as_list() for s in batches.map(loaded.tokenize_with_offsets).element_spec] == [
        [5, None]
    ] * 3
    assert shapes(tokens.map(loaded.detokenize).element_spec) == [5]
    packed = tokens.map(lambda x: loaded.bert_pack_inputs([x, x, x], seq_length=9))
    assert shapes(packed.element_spec) == dict.fromkeys(names, [5, 9])
    packed = tokens.map(loaded.bert_pack_inputs)
    assert shapes(packed.element_spec) == dict.fromkeys(names, [5, 12])
    texts = tf_keras.Input([], batch_size=5, dtype=tf.string)
    assert hub.KerasLayer(loaded)(texts)["input_mask"].shape == [5, 12]


def test_a_single_text_is_a_batch_without_its_axis(path, loaded, tokenizer):
    expected = tokenizer(TEXTS, max_length=12, padding="max_length")
    for module in (loaded, hub.KerasLayer(path)):
        rows = list(tf.data.Dataset.from_tensor_slices(TEXTS).map(module))
        for name, values in expected.items():
            np.testing.assert_array_equal([row[name] for row in rows], values)
            np.testing.assert_array_equal(module(tf.constant(TEXTS[0]))[name], values[0])
    spans = tokenizer.tokenize_with_offsets(TEXTS[2])
    assert loaded.tokenize(TEXTS[2]).numpy().tolist() == spans.ids
    single = [values.numpy().tolist() for values in loaded.tokenize_with_offsets(TEXTS[2])]
    assert single == [spans.ids, spans.starts, spans.ends]
    pair = loaded.bert_pack_inputs([loaded.tokenize(text) for text in TEXTS[2:]], seq_length=9)
    packed = tokenizer(TEXTS[2], TEXTS[3], max_length=9, padding="max_length")
    for name, values in packed.items():
        np.testing.assert_array_equal(pair[name], values[0])
    assert loaded.detokenize(spans.ids).numpy().decode() == tokenizer.decode(spans.ids)


@pytest.mark.parametrize("truncation", ["round_robin", "waterfall"])
@pytest.mark.parametrize("count", range(1, MAX_SEGMENTS + 1))
def test_segments_are_packed_as_in_python(loaded, tokenizer, count, truncation):
    texts = [TEXTS[i:] + TEXTS[:i] for i in range(count)]
    segments = [tokenizer.encode_batch(rows) for rows in texts]
    options = dict(seq_length=14, truncation=truncation)
    got = loaded.bert_pack_inputs([loaded.tokenize(rows) for rows in texts], **options)
    words = [tf.ragged.stack([loaded.tokenize(rows)], 1) for rows in texts]
    of_words = loaded.bert_pack_inputs(words, **options)
    expected = packing.pack(
        segments, tokenizer.special_ids, packing.Packing(14, truncation, "max_length")
    )
    for name, values in expected.items():
        np.testing.assert_array_equal(got[name], values)
        np.testing.assert_array_equal(of_words[name], values)


def test_an_unknown_truncation_is_an_error(loaded):
    tokens = loaded.tokenize(TEXTS)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must be one of.*\[only_first\]"):
        loaded.bert_pack_inputs([tokens, tokens], truncation="only_first")


def test_detokenizing_equals_python(loaded, tokenizer):
    ids = tokenizer.encode_batch(TEXTS)
    expected = [tokenizer.decode(row) for row in ids]
    tokens = loaded.tokenize(TEXTS)
    padded = loaded.bert_pack_inputs([tokens], seq_length=40)["input_word_ids"]
    for values in (tokens, padded):
        assert [text.decode() for text in loaded.detokenize(values).numpy()] == expected


def test_a_keras_saved_model_packs_one_segment_without_a_list(loaded, tokenizer, tmp_path):
    texts = tf_keras.Input([], dtype=tf.string)
    tokens = hub.KerasLayer(loaded.tokenize)(texts)
    pack = hub.KerasLayer(loaded.bert_pack_inputs, arguments=dict(seq_length=9))
    tf_keras.Model(texts, pack(tokens)).save(tmp_path / "bare", save_format="tf")
    again = tf_keras.models.load_model(tmp_path / "bare")
    got = again(tf.constant(TEXTS))
    for name, values in tokenizer(TEXTS, max_length=9, padding="max_length").items():
        np.testing.assert_array_equal(got[name], values)
    # The fault of Keras that docs/hub.md describes. When this fails, remove it there.
    tf_keras.Model(texts, pack([tokens])).save(tmp_path / "listed", save_format="tf")
    with pytest.raises(ValueError, match="Could not find matching concrete function"):
        tf_keras.models.load_model(tmp_path / "listed")


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
