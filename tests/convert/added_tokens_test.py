"""A model with added tokens keeps them through conversions, fine-tuning, prediction and exports."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import albert_tf
from albert_tf.convert.conversion import convert
from albert_tf.export import preprocessor, task_model
from albert_tf.export.task_model import Settings
from albert_tf.formats import load
from albert_tf.tasks.classification.config import ClassificationConfig
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import tiny_task
from tests.support.added_tokens import FOLDERS, SIZE, write_folder

GOLDEN = FOLDERS["lower"]
TEXTS = [case["text"] for case in GOLDEN["cases"]]
IDS = [case["ids"] for case in GOLDEN["cases"]]
GOLDEN_TOKENS = [
    index
    for index in GOLDEN["files"]["tokenizer_config.json"]["added_tokens_decoder"]
    if int(index) > 4
]
FILES = ("added_tokens.json", "tokenizer_config.json", "special_tokens_map.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Hugging Face folder with the tokenizer files that transformers wrote, and no others."""
    root = tmp_path_factory.mktemp("added")
    (root / "files").mkdir()
    tokenizer = AlbertTokenizer.from_pretrained(write_folder("lower", root / "files"))
    tf_keras.utils.set_random_seed(1)
    model = albert_tf.AlbertPretrainer({**tiny_task.MODEL, "vocab_size": GOLDEN["size"]})
    bias = np.zeros(GOLDEN["size"], np.float32)
    bias[[SIZE + 1, SIZE + 3]] = [9.0, 8.0]  # So that added tokens fill masks.
    model.masked_lm.output_bias.assign(bias)
    model.save_pretrained(root / "run", tokenizer)
    convert(root / "run", "hugging_face", root / "model")
    (root / "model/spiece.preprocess.json").unlink()
    return root / "model"


def test_the_tokenizer_files_are_those_of_transformers(folder):
    ours, theirs = (
        {name: f(name) for name in FILES}
        for f in (lambda name: json.loads((folder / name).read_text()), GOLDEN["files"].get)
    )
    # transformers leaves out tokens that are pieces; it reads this file in old folders only.
    added = {text: i for text, i in ours["added_tokens.json"].items() if i >= SIZE}
    assert added == theirs["added_tokens.json"]
    for key in ("added_tokens_decoder", "additional_special_tokens", "do_lower_case"):
        assert ours["tokenizer_config.json"][key] == theirs["tokenizer_config.json"][key]
    key = "additional_special_tokens"
    contents = [
        token["content"] if isinstance(token, dict) else token
        for token in theirs["special_tokens_map.json"][key]
    ]
    assert ours["special_tokens_map.json"][key] == contents


@pytest.mark.parametrize("to", ["tf1", "keras_hub", "model_garden", "checkpoint", "hugging_face"])
def test_every_format_keeps_them(to, folder, tmp_path):
    report = convert(folder, to, tmp_path / "there", allow_partial=True)
    assert any(f"splits the {len(GOLDEN_TOKENS)} added tokens" in n for n in report["notes"]) == (
        to in ("tf1", "keras_hub", "model_garden")
    )
    assert load.load(tmp_path / "there").preprocessing == load.load(folder).preprocessing
    assert AlbertTokenizer.from_pretrained(tmp_path / "there").encode_batch(TEXTS) == IDS


def test_a_preprocessor_keeps_them(folder, tmp_path):
    module = tf.saved_model.load(
        str(preprocessor.export(folder, tmp_path / "preprocessor", 18, check=False))
    )
    ids, starts, limits = module.tokenize_with_offsets(tf.constant(TEXTS))
    assert ids.to_list() == module.tokenize(tf.constant(TEXTS)).to_list() == IDS
    row = TEXTS.index("a.b a+b AxB")
    assert [starts[row][0].numpy(), limits[row][0].numpy()] == [0, 3]
    assert module.tokenize.get_special_tokens_dict()["vocab_size"] == GOLDEN["size"]
    assert AlbertTokenizer.from_pretrained(tmp_path / "preprocessor").encode_batch(TEXTS) == IDS


def test_they_are_predicted_in_exports_too(folder, tmp_path):
    texts = ["the <e1> [MASK]", "<E1>the [MASK] solo"]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    answers = list(albert_tf.Predictor(folder, top_k=2)(tmp_path / "texts.txt"))
    path = task_model.export(
        folder, tmp_path / "masks", settings=Settings(seq_length=16, top_k=2), check=False
    )
    served = tf.saved_model.load(str(path)).signatures["serving_default"](tf.constant(texts))
    expected = [AlbertTokenizer.from_pretrained(folder).pieces[i] for i in (SIZE + 1, SIZE + 3)]
    for row, answer in enumerate(answers):
        assert [filling["piece"] for filling in answer["fillings"][0]] == expected
        assert [piece.decode() for piece in served["pieces"][row, 0].numpy()] == expected
        shares = [filling["probability"] for filling in answer["fillings"][0]]
        np.testing.assert_allclose(served["probabilities"][row, 0], shares, rtol=1e-5)


def test_fine_tuning_starts_from_the_folder(folder, tmp_path):
    texts = ["the <e1> of", "<E1>of solo the"]
    rows = [f"{label},{text}" for label, text in zip("ab", texts)] * 4
    (tmp_path / "train.csv").write_text("label,text\n" + "\n".join(rows) + "\n")
    params = ClassificationConfig(init_from=str(folder), labels=("a", "b"))
    for data in (params.train_data, params.validation_data):
        data.input_path, data.seq_length = str(tmp_path / "train.csv"), 12
        data.global_batch_size, data.seed = 4, 0
    task = ClassificationTask(params)
    task.check()
    tokenizer = AlbertTokenizer.from_pretrained(folder)
    expected = {(2, *tokenizer.encode(text), 3) for text in texts}
    assert [row.count(SIZE) for row in expected] == [1, 1]
    batches = task.build_inputs(params.validation_data)
    rows = [row for batch in batches for row in batch["input_word_ids"].numpy().tolist()]
    assert {tuple(row[: row.index(3) + 1]) for row in rows} == expected
    model = task.build_model()
    task.initialize(model)
    tiny_task.save(task, model, tmp_path / "run")
    assert AlbertTokenizer.from_pretrained(tmp_path / "run").encode_batch(TEXTS) == IDS
