"""A model with a WordPiece vocabulary, from pretraining data to a served task, by the commands."""

import json
import random
import shutil

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.pretraining.records import records
from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import wordpiece
from tests.support.commands import call

SIZES = dict(hidden_size=24, num_attention_heads=3, intermediate_size=40, num_hidden_layers=1)
GIN = {f"model_config.ModelConfig.{name}": value for name, value in SIZES.items()}
GIN |= {"model_config.ModelConfig.hidden_act": "'relu'", "VOCAB_SIZE": len(wordpiece.pieces())}
SHORT = dict(TRAIN_STEPS=2, WARMUP_STEPS=1, LEARNING_RATE=0.01, EVAL_INTERVAL=2, SUMMARY_INTERVAL=2)
LABELS = ("好", "bad")


def lines(count, seed):
    rng = random.Random(seed)
    words = [*wordpiece.WORDS, *wordpiece.CHINESE, "filming", "modelers", "2，", "数据"]
    return [" ".join(rng.choices(words, k=rng.randrange(5, 12))) for _ in range(count)]


def train(recipe, folder, **gin):
    macros = [f"--gin.{name}={value}" for name, value in gin.items()]
    words = ("--mode", "train_and_eval", "--model_dir", folder)
    call("train", "--gin_file", recipe, *words, *macros)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("wordpiece")
    wordpiece.write(root, "vocab_chinese.txt")
    text = "".join(f"{line}\n" if i % 5 else "\n" for i, line in enumerate(lines(200, 0)))
    (root / "text.txt").write_text(text, encoding="utf-8")
    for name, seed in (("train", 1), ("dev", 2)):
        rows = [{"text": text, "label": LABELS[i % 2]} for i, text in enumerate(lines(8, seed))]
        with open(root / f"{name}.jsonl", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return root


@pytest.fixture(scope="module", params=["dynamic", "original"])
def data(root, request):
    folder = root / request.param
    call(
        *("data", "build", "--input", root / "text.txt", "--vocab", root / "vocab_chinese.txt"),
        *("--output_dir", folder, "--max_seq_length", 32, "--workers", 1),
        *("--record_format", request.param),
    )
    return folder


@pytest.fixture(scope="module")
def pretrained(root):
    """A run whose records have no masks, which are drawn in the graph."""
    folder = root / "pretraining"
    call(
        *("data", "build", "--input", root / "text.txt", "--vocab", root / "vocab_chinese.txt"),
        *("--output_dir", folder / "data", "--max_seq_length", 32, "--workers", 1),
    )
    files = str(folder / "data/*.tfrecord")
    train(
        *("pretrain_tiny", folder / "run"),
        **GIN | SHORT | dict(TRAIN_DATA=files, EVAL_DATA=files, VOCAB=root / "vocab_chinese.txt"),
        **dict(BATCH_SIZE=4, CHECKPOINT_INTERVAL=2, EVAL_STEPS=2),
    )
    return folder / "run"


@pytest.fixture(scope="module")
def run(root, pretrained):
    data = dict(TRAIN_DATA=root / "train.jsonl", EVAL_DATA=root / "dev.jsonl")
    sizes = dict(SEQ_LENGTH=24, BATCH_SIZE=4)
    train("finetune_table", root / "run", INIT_FROM=pretrained, **data, **sizes, **SHORT)
    return root / "run"


def test_masks_have_the_special_ids_of_the_vocabulary(root, data):
    tokenizer = AlbertTokenizer(root / "vocab_chinese.txt")
    pad, unk, cls, sep, mask = tokenizer.special_ids
    special = {pad, unk, cls, sep, mask}
    counts = dict(mask=0, random=0, kept=0)
    whole = 0
    for file in sorted(data.glob("*.tfrecord")):
        arrays = records.read_arrays(file, tokenizer.vocab_size, special=tokenizer.special_ids)
        for batch in arrays:
            ids, inside = batch["input_ids"], batch["input_mask"] == 1
            assert (ids[:, 0] == cls).all() and (ids[~inside] == pad).all()
            assert not (ids[inside] == pad).any()
            assert ((ids == sep).sum(1) == 2).all()
            used = batch["masked_lm_weights"] > 0
            new = np.take_along_axis(ids, batch["masked_lm_positions"], 1)[used]
            old = batch["masked_lm_ids"][used]
            counts["mask"] += (new == mask).sum()
            counts["kept"] += (new == old).sum()
            drawn = new[(new != mask) & (new != old)]
            counts["random"] += len(drawn)
            assert not special & set(drawn.tolist())
            original = ids.copy()
            row = np.nonzero(used)[0]
            original[row, batch["masked_lm_positions"][used]] = old
            whole += _check_whole_words(original, batch, tokenizer)
    assert whole > 10
    total = sum(counts.values())
    assert total > 300
    assert abs(counts["mask"] / total - 0.8) < 0.08 and 0.04 < counts["random"] / total < 0.18


def _check_whole_words(ids, batch, tokenizer):
    """Checks that words are masked whole, and returns how many of several pieces there are."""
    masked = np.zeros(ids.shape, bool)
    row, slot = np.nonzero(batch["masked_lm_weights"] > 0)
    masked[row, batch["masked_lm_positions"][row, slot]] = True
    continues = ~tokenizer.word_starts[ids]  # [N, S]
    # A cut text may begin inside a word, after a special token.
    after = np.isin(ids[:, :-1], tokenizer.special_ids)
    inside = continues[:, 1:] & ~after
    assert (masked[:, 1:] == masked[:, :-1])[inside].all()
    return (masked[:, 1:] & inside).sum()


def test_a_pretraining_run_has_its_vocabulary(pretrained):
    tokenizer = AlbertTokenizer.from_pretrained(pretrained)
    assert tokenizer.pieces == wordpiece.pieces()
    assert tokenizer.preprocessing == Preprocessing()
    table = load.load(pretrained).weights["encoder/embeddings/word_embeddings/embeddings"]
    assert table.shape[0] == len(wordpiece.pieces()) and np.isfinite(table).all()


def test_commands_print_its_pieces(pretrained, capsys, monkeypatch):
    call("inspect", pretrained)
    assert "vocabulary: vocab_chinese.txt" in capsys.readouterr().out
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("The filming 中国\n".encode())))
    call("tokenize", "--vocab", pretrained)
    pieces, ids = capsys.readouterr().out.splitlines()
    assert pieces == "the film ##ing 中 国"
    assert [wordpiece.pieces()[int(i)] for i in ids.split()] == pieces.split()


def test_predictions_of_a_run_are_those_of_its_export(root, run, tmp_path):
    """The export is verified in a process without this package before it is written."""
    texts = [*lines(5, 3), "", "数据\u0301 É\x00 Σ", "a" * 300]
    path = tmp_path / "new.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    call("predict", "--model", run, "--input", path, "--output", tmp_path / "answers.jsonl")
    written = (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line) for line in written]
    call("export", "task", run, tmp_path / "task")
    served = tf.saved_model.load(str(tmp_path / "task/1"))
    outputs = served.signatures["serving_default"](tf.constant(texts))
    assert [x.decode() for x in outputs["label"].numpy()] == [a["label"] for a in answers]
    shares = [list(answer["probabilities"].values()) for answer in answers]
    np.testing.assert_allclose(outputs["probabilities"], shares, atol=1e-5)
    loaded = AlbertTokenizer.from_pretrained(tmp_path / "task/1")
    assert loaded.pieces == wordpiece.pieces()


def test_exports_have_the_vocabulary_as_an_asset(pretrained, tmp_path):
    call("export", "preprocessor", pretrained, tmp_path / "preprocessor", "--seq_length", 16)
    call("export", "encoder", pretrained, tmp_path / "encoder")
    tokenizer = AlbertTokenizer.from_pretrained(pretrained)
    texts = ["the filming 中国", "É a\u0301 [MASK]", ""]
    preprocessor = tf.saved_model.load(str(tmp_path / "preprocessor"))
    expected = tokenizer(texts, max_length=16, padding="max_length")
    for name, values in preprocessor(tf.constant(texts)).items():
        np.testing.assert_array_equal(values, expected[name])
    special = preprocessor.tokenize.get_special_tokens_dict()
    assert int(special["mask_id"]) == tokenizer.mask_id == 6
    encoder = tf.saved_model.load(str(tmp_path / "encoder"))
    info = encoder.signatures["tokenization_info"]()
    with open(info["vocab_file"].numpy(), encoding="utf-8") as file:
        assert file.read().split("\n")[:-1] == wordpiece.pieces()
    for name in ("preprocessor", "encoder"):
        found = AlbertTokenizer.from_pretrained(tmp_path / name)
        assert found.encode_batch(texts) == tokenizer.encode_batch(texts)
    manifest = json.loads((tmp_path / "preprocessor/manifest.json").read_text())
    assert manifest["source"]["format"] == "WordPiece"


@pytest.mark.parametrize("to", ["tf1", "hugging_face", "model_garden", "checkpoint"])
def test_conversions_keep_the_vocabulary(pretrained, tmp_path, to):
    call("convert", pretrained, "--to", to, tmp_path / to)
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path / to)
    assert tokenizer.pieces == wordpiece.pieces()
    assert tokenizer.preprocessing == Preprocessing()
    source = load.load(tmp_path / to)
    assert source.model_file == tokenizer.model_file and source.config.hidden_act == "relu"
    if to == "hugging_face":
        config = json.loads((tmp_path / to / "tokenizer_config.json").read_text())
        assert config["tokenizer_class"] == "BertTokenizer"
        assert (config["do_lower_case"], config["strip_accents"]) == (True, True)
        # Without our settings, those of transformers.
        (tmp_path / to / "vocab.preprocess.json").unlink()
        again = AlbertTokenizer.from_pretrained(tmp_path / to)
        assert again.preprocessing == Preprocessing(rules="hugging_face")


def test_keras_hub_has_no_wordpiece(pretrained, tmp_path):
    gelu = shutil.copytree(pretrained / "best", tmp_path / "gelu")
    config = AlbertConfig.from_json_file(gelu / "albert_config.json").to_dict()
    (gelu / "albert_config.json").write_text(json.dumps(config | {"hidden_act": "gelu"}))
    message = r"SentencePiece only. Received 'vocab_chinese.txt' \(WordPiece\). Convert to hugg"
    with pytest.raises(InputError, match=message):
        call("convert", gelu, "--to", "keras_hub", tmp_path / "preset", "--allow_partial")
    assert not (tmp_path / "preset").exists()
