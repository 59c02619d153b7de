"""`albert-tf vocab extend`: old texts stay the same, and new words are one token everywhere."""

import functools
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import albert_tf
from albert_tf.config import AlbertConfig
from albert_tf.convert.conversion import convert
from albert_tf.export import preprocessor
from albert_tf.formats.load import load
from albert_tf.tokenization.graph.tokenizer import GraphTokenizer
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import tiny_task, wordpiece
from tests.support.commands import status

run = functools.partial(status, "vocab", "extend")
SIZE = tiny_task.MODEL["vocab_size"]
WORDS = ["dyspnea", "Covid-19", "naïve", "हिंदी", "xz"]
NEW = range(SIZE, SIZE + len(WORDS))
OLD_TEXTS = ["the first text", "dyspneas xzy axz covid-190", "1,000, of (naïvely) हिंदीय"]
# Text, and the new words in it.
TEXTS = {
    "The dyspnea, of": [0],
    "(DYSPNEA) dyspneas xz xz.": [0, 4, 4],
    "covid-19's Covid-19 covid 19": [1, 1],
    "NAÏVE,naïve": [2, 2],
    "हिंदी हिंदीय": [3],
    "xz_ _xz 1xz xz": [4],
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain") / "run"
    tf_keras.utils.set_random_seed(1)
    model = albert_tf.AlbertPretrainer(tiny_task.MODEL)
    model.masked_lm.output_bias.assign(np.random.default_rng(3).normal(size=SIZE))
    model.save_pretrained(folder, AlbertTokenizer(tiny_task.VOCAB))
    return folder


@pytest.fixture(scope="module")
def extended(plain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("extended")
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    assert run(plain, "--add", folder / "words.txt", "--output", folder / "model") == 0
    return folder / "model"


def test_new_words_are_one_token_in_python_and_in_the_graph(plain, extended):
    old, new = (AlbertTokenizer.from_pretrained(folder) for folder in (plain, extended))
    assert new.encode_batch(OLD_TEXTS) == old.encode_batch(OLD_TEXTS)
    assert new.model_proto == old.model_proto and new.vocab_size == SIZE + len(WORDS)
    texts, graph = [*TEXTS, *OLD_TEXTS], GraphTokenizer(new)
    ids = new.encode_batch(texts)
    found = [[i - SIZE for i in row if i >= SIZE] for row in ids]
    assert found == [*TEXTS.values(), [], [], []]
    assert graph.tokenize(tf.constant(texts)).to_list() == ids
    assert [spans.ids for spans in new.tokenize_batch_with_offsets(texts)] == ids
    rows, starts, limits = graph.tokenize_with_offsets(tf.constant(texts))
    assert rows.to_list() == ids
    for text, row, begin, end in zip(texts, ids, starts.to_list(), limits.to_list()):
        spans = new.tokenize_with_offsets(text)
        for i, a, b, c, d in zip(row, begin, end, spans.starts, spans.ends):
            word = text.encode()[a:b].decode()
            assert word == text[c:d]
            assert i < SIZE or word.lower() == WORDS[i - SIZE].lower()
    assert new.ids_to_pieces(NEW) == [word.lower() for word in WORDS]


def test_old_texts_keep_their_outputs_and_new_rows_are_means(plain, extended):
    old, new = (albert_tf.AlbertPretrainer.from_pretrained(f) for f in (plain, extended))
    inputs = AlbertTokenizer.from_pretrained(plain)(OLD_TEXTS)
    inputs["masked_lm_positions"] = np.array([[1, 2]] * 3)
    before, after = old(inputs), new(inputs)
    np.testing.assert_array_equal(after["sequence_output"], before["sequence_output"])
    np.testing.assert_array_equal(after["mlm_logits"][..., :SIZE], before["mlm_logits"])
    tokenizer = AlbertTokenizer.from_pretrained(plain)
    table = old.encoder.get_embedding_table().numpy()
    pieces = [tokenizer.encode(word) for word in WORDS]
    rows = new.encoder.get_embedding_table().numpy()[SIZE:]
    np.testing.assert_allclose(rows, [table[ids].mean(0) for ids in pieces], atol=1e-7)
    # So the logit of a new word is the mean of those of its pieces, and exceeds none of them all.
    logits = after["mlm_logits"].numpy()
    expected = np.stack([logits[..., ids].mean(-1) for ids in pieces], -1)
    np.testing.assert_allclose(logits[..., SIZE:], expected, atol=1e-5)
    assert (logits.argmax(-1) < SIZE).all()


def test_it_goes_through_three_formats_with_the_same_ids_and_outputs(extended, tmp_path, capsys):
    tokenizer = AlbertTokenizer.from_pretrained(extended)
    expected = tokenizer.encode_batch(TEXTS)
    inputs = tokenizer(list(TEXTS))
    outputs = albert_tf.AlbertEncoder.from_pretrained(extended)(inputs)
    before = extended
    for to in ("hugging_face", "tf1", "model_garden", "checkpoint"):
        report = convert(before, to, tmp_path / to)
        noted = any(f"splits the {len(WORDS)} added tokens" in note for note in report["notes"])
        assert noted == (to in ("tf1", "model_garden"))
        before = tmp_path / to
        assert load(before).config.vocab_size == SIZE + len(WORDS)
        again = AlbertTokenizer.from_pretrained(before)
        assert again.encode_batch(TEXTS) == expected
        result = albert_tf.AlbertEncoder.from_pretrained(before)(again(list(TEXTS)))
        np.testing.assert_array_equal(result["pooled_output"], outputs["pooled_output"])
    tokens = json.loads((tmp_path / "hugging_face/added_tokens.json").read_text())
    assert tokens == {word.lower(): i for i, word in zip(NEW, WORDS)}


def test_an_exported_preprocessor_has_them(extended, tmp_path):
    path = preprocessor.export(extended, tmp_path / "module", 16, check=False)
    module = tf.saved_model.load(str(path))
    expected = AlbertTokenizer.from_pretrained(extended).encode_batch(TEXTS)
    assert module.tokenize(tf.constant(list(TEXTS))).to_list() == expected


def test_an_extended_model_is_extended_again(extended, tmp_path, capsys):
    (tmp_path / "more.txt").write_text("zyx\n")
    assert run(extended, "--add", tmp_path / "more.txt", "--output", tmp_path / "m") == 0
    assert f"ids {NEW.stop} to {NEW.stop}, {NEW.stop} -> {NEW.stop + 1} rows" in (
        capsys.readouterr().out
    )
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path / "m")
    assert tokenizer.encode("xz zyx") == [SIZE + 4, NEW.stop]
    assert run(extended, "--add", tmp_path / "more.txt", "--output", tmp_path / "m") == 2
    assert "must be new or empty" in capsys.readouterr().err
    (tmp_path / "more.txt").write_text("XZ\n")
    assert run(extended, "--add", tmp_path / "more.txt", "--dry_run") == 2
    assert "'XZ' is the piece 'xz' already" in capsys.readouterr().err


def test_frequent_words_of_a_corpus_are_shown_and_added(plain, tmp_path, capsys):
    lines = ["Hypertension and hypertension.", "(dyspnea) dyspnea 12345 12345 under_score"] * 3
    lines += ["the the of", "oncezyx dyspnea", "s s s s s s s s"]  # "s" is a piece
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n")
    corpus = ("--from", f"{tmp_path}/*.txt", "--count", 2)
    assert run(plain, *corpus, "--dry_run", "--min_pieces", 2) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:4]] == [
        "dyspnea", "hypertension",
    ]  # fmt: skip
    assert run(plain, *corpus, "--dry_run") == 0
    out = capsys.readouterr().out
    tokenizer = AlbertTokenizer.from_pretrained(plain)
    pieces = tokenizer.tokenize("dyspnea")
    assert out.splitlines()[2].split() == ["dyspnea", "7", str(len(pieces)), *pieces]
    assert out.splitlines()[3].split()[:2] == ["hypertension", "6"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt"]
    assert run(plain, *corpus, "--output", tmp_path / "m", "--init", "noise") == 0
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path / "m")
    assert tokenizer.encode("dyspnea hypertension") == [SIZE, SIZE + 1]
    table = albert_tf.AlbertEncoder.from_pretrained(tmp_path / "m").get_embedding_table()
    limit = 2 * tiny_task.MODEL["initializer_range"]
    rows = table.numpy()[SIZE:]
    assert 0.3 * limit < np.abs(rows).max() <= limit and not np.allclose(rows[0], rows[1])
    (tmp_path / "a.txt").write_text("the of and\n")
    assert run(plain, *corpus, "--dry_run") == 2
    assert "words that occur twice and break into 3 pieces or more. Received 3 words" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "text, message",
    [
        (b"the\n", "Received 1 of 1 that are not: 'the' is the piece '▁the' already"),
        (b"a b\nzyx\n", "Received 1 of 2 that are not: 'a b' holds white space"),
        (b"zyx \n", "'zyx ' holds white space"),
        (b"zyx\n\nzyxw\n", "word 2 is empty"),
        (b"zyx\nZYX\n", "'ZYX' is 'zyx' again after normalisation"),
        ("zyé\nzye\n".encode(), "'zye' is 'zyé' again after normalisation"),
        ("\u0301\n".encode(), "has no text after normalisation"),
        ("\u200b\n".encode(), "has no text after normalisation"),
        ("İzmir\n".encode(), "'İzmir' has a capital that is two characters in lower case"),
        (b"", "extended by one word or more. Received no words"),
        (b"zyx\xff\n", "must be UTF-8 text"),
        (b"zyx\0\n", "must be UTF-8 text"),
        (b"[MASK]\n", "'[MASK]' is the text of a piece already"),
        (b"ing\n", "'ing' is the"),
        (b"the\n" * 30, "Received 30 of 30 that are not: 'the' .*; and 22 more. Correct"),
    ],
)
def test_words_that_cannot_be_added_are_one_error(text, message, plain, tmp_path, capsys):
    (tmp_path / "words.txt").write_bytes(text)
    assert run(plain, "--add", tmp_path / "words.txt", "--output", tmp_path / "m") == 2
    err = capsys.readouterr().err
    first, _, last = message.partition(".*")
    assert first in err and last in err and err.count("\n") == 1
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "words, message",
    [
        (["--add", "none.txt", "--dry_run"], "Received 'none.txt'"),
        (["--from", "none*.txt", "--dry_run"], "must match at least one file"),
        (["--add", "words.txt"], "needs a folder. Received no --output"),
        (["--add", "words.txt", "--dry_run", "--init", "zero"], "Received 'zero'"),
        (["--add", "words.txt", "--output", "m", "--to", "tf2"], "Received 'tf2'"),
        (["--from", "words.txt", "--dry_run", "--count", "0"], "--count must be at least 1"),
        (["--from", "words.txt", "--dry_run", "--min_pieces", "1"], "--min_pieces must be at"),
    ],
)
def test_invalid_flags_are_one_error(words, message, plain, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("zyxzyx zyxzyx\n" if "--from" in words else "zyx\n")
    assert run(plain, *words) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and not (tmp_path / "m").exists()


def test_a_model_without_its_vocabulary_is_refused(plain, tmp_path, capsys):
    albert_tf.AlbertEncoder.from_pretrained(plain).save_pretrained(tmp_path / "bare")
    (tmp_path / "words.txt").write_text("zyx\n")
    arguments = ("--add", tmp_path / "words.txt", "--dry_run")
    assert run(tmp_path / "bare", *arguments) == 2
    assert "Weights must come with their vocabulary" in capsys.readouterr().err


def test_a_table_smaller_than_the_vocabulary_is_refused(plain, extended, tmp_path, capsys):
    folder = shutil.copytree(plain, tmp_path / "m")
    shutil.copy(extended / "spm.preprocess.json", folder)
    (tmp_path / "words.txt").write_text("zyx\n")
    assert run(folder, "--add", tmp_path / "words.txt", "--dry_run") == 2
    err = capsys.readouterr().err
    assert "must have one row for each piece of the vocabulary" in err
    assert f"Received vocab_size={SIZE} for " in err and f"with {NEW.stop} pieces" in err


def test_new_words_take_padding_rows_first(tmp_path, capsys):
    tf_keras.utils.set_random_seed(1)
    model = albert_tf.AlbertEncoder.from_albert_config(
        AlbertConfig(**{**tiny_task.MODEL, "vocab_size": SIZE + 8})
    )
    model.save_pretrained(tmp_path / "padded", AlbertTokenizer(tiny_task.VOCAB))
    (tmp_path / "words.txt").write_text("zyx\nzyxw\n")
    assert (
        run(tmp_path / "padded", "--add", tmp_path / "words.txt", "--output", tmp_path / "m") == 0
    )
    assert f"{SIZE + 8} -> {SIZE + 8} rows" in capsys.readouterr().out
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path / "m")
    assert tokenizer.encode("zyxw zyx") == [SIZE + 1, SIZE]
    old = model.get_embedding_table().numpy()
    new = albert_tf.AlbertEncoder.from_pretrained(tmp_path / "m").get_embedding_table().numpy()
    np.testing.assert_array_equal(
        np.delete(new, [SIZE, SIZE + 1], 0), np.delete(old, [SIZE, SIZE + 1], 0)
    )
    pieces = AlbertTokenizer(tiny_task.VOCAB).encode("zyx")
    np.testing.assert_allclose(new[SIZE], old[pieces].mean(0), atol=1e-7)


def test_a_model_with_the_rules_of_hugging_face_says_what_encloses_a_word(plain, tmp_path, capsys):
    convert(plain, "hugging_face", tmp_path / "hf")
    (tmp_path / "hf/spiece.preprocess.json").unlink()
    (tmp_path / "words.txt").write_text("dyspnea\n")
    arguments = ("--add", tmp_path / "words.txt", "--output", tmp_path / "m")
    assert run(tmp_path / "hf", *arguments, "--to", "hugging_face") == 0
    assert "a new word is one token between spaces only" in capsys.readouterr().out
    (tmp_path / "m/spiece.preprocess.json").unlink()
    old, new = (AlbertTokenizer.from_pretrained(tmp_path / name) for name in ("hf", "m"))
    assert new.encode_batch(OLD_TEXTS) == old.encode_batch(OLD_TEXTS)
    ids = new.encode("[MASK] Dyspnea dyspnea. dyspneas")
    assert ids.count(SIZE) == 1 and ids[:2] == [4, SIZE]


def test_the_vocabulary_that_two_models_share_is_not_changed(plain, extended):
    settings = json.loads((plain / "spm.preprocess.json").read_text())
    assert "added_tokens" not in settings
    assert (plain / "spm.model").read_bytes() == (extended / "spm.model").read_bytes()


def test_a_model_with_wordpiece_is_extended_too(tmp_path, capsys):
    vocab = wordpiece.write(tmp_path)
    size = len(wordpiece.pieces())
    model = albert_tf.AlbertPretrainer(tiny_task.MODEL | {"vocab_size": size})
    model.save_pretrained(tmp_path / "plain", AlbertTokenizer(vocab))
    words = ["dataer", "Covid-19", "naïve", "中国人"]
    (tmp_path / "words.txt").write_text("\n".join(words), encoding="utf-8")
    command = tmp_path / "plain", "--add", tmp_path / "words.txt", "--output", tmp_path / "new"
    assert run(*command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["dataer", "2", "data", "##er"]
    old, new = (AlbertTokenizer.from_pretrained(tmp_path / name) for name in ("plain", "new"))
    texts = {
        "The DATAER, of": [0],
        "dataers (covid-19) covid-190": [1],
        "Naïve naive": [2],
        "他是中国人 中国人，": [3],
        "the data \u0301 of film 中国": [],
    }
    rows = new.encode_batch(texts)
    assert [[i - size for i in row if i >= size] for row in rows] == [*texts.values()]
    assert rows[-1] == old.encode_batch(texts)[-1]
    assert [spans.ids for spans in new.tokenize_batch_with_offsets(texts)] == rows
    assert GraphTokenizer(new).tokenize(tf.constant([*texts])).to_list() == rows
    before, after = (
        albert_tf.AlbertEncoder.from_pretrained(tmp_path / name) for name in ("plain", "new")
    )
    inputs = old(["the data of film"])
    np.testing.assert_array_equal(after(inputs)["pooled_output"], before(inputs)["pooled_output"])
    table = before.get_embedding_table().numpy()
    means = [table[list(old.encode(word))].mean(0) for word in words]
    np.testing.assert_allclose(after.get_embedding_table()[size:], means, atol=1e-7)
    expected, source = after(new([*texts]))["pooled_output"], tmp_path / "new"
    for to in ("hugging_face", "tf1", "checkpoint"):
        convert(source, to, tmp_path / to)
        source = tmp_path / to
        again = AlbertTokenizer.from_pretrained(source)
        assert again.encode_batch(texts) == rows
        result = albert_tf.AlbertEncoder.from_pretrained(source)(again([*texts]))
        np.testing.assert_array_equal(result["pooled_output"], expected)
    (tmp_path / "words.txt").write_text("the\n\u00ad\n[MASK]\n", encoding="utf-8")
    assert run(*command[:3], "--dry_run") == 2
    err = capsys.readouterr().err
    assert "'the' is the piece 'the' already; '\\xad' has no text" in err
    assert "'[MASK]' is the text of a piece already" in err
