"""Filling masked words with a pretrained model and its vocabulary."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import albert_tf
from albert_tf.errors import InputError
from albert_tf.tasks.fill_mask.served import ServedFillMask
from tests.support import tiny_task


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved pretrainer, in the layout of a training run, with a bias towards some pieces."""
    root = tmp_path_factory.mktemp("pretrained")
    tf_keras.utils.set_random_seed(1)
    model = albert_tf.AlbertPretrainer(tiny_task.MODEL)
    tokenizer = albert_tf.AlbertTokenizer(tiny_task.VOCAB)
    favoured = tokenizer.pieces_to_ids(["▁file", "s", "▁list"])
    bias = np.zeros(tokenizer.vocab_size, np.float32)
    bias[favoured] = [9.0, 8.0, 7.0]
    model.masked_lm.output_bias.assign(bias)
    tf.train.Checkpoint(model=model, **model.checkpoint_items).save(str(root / "ckpt"))
    model.albert_config.to_json_file(root / "albert_config.json")
    tokenizer.save(root)
    return root, model, tokenizer


def test_fillings_are_the_best_pieces_of_the_head(folder, tmp_path):
    root, model, tokenizer = folder
    path = tmp_path / "a.txt"
    path.write_text("see the [MASK] with one [MASK]\nthis [MASK]\n")
    first, second = albert_tf.Predictor(root, top_k=3)(path)
    assert first["text"] == "see the [MASK] with one [MASK]"
    assert [len(f) for f in (first["fillings"], second["fillings"])] == [2, 1]
    assert first["filled"] == "see the file with one file" and second["filled"] == "this file"
    ids = [2, *tokenizer.encode("see the"), 4, *tokenizer.encode("with one"), 4, 3]
    positions = [index for index, token in enumerate(ids) if token == 4]
    outputs = model(
        {
            "input_word_ids": tf.constant([ids]),
            "masked_lm_positions": tf.constant([positions]),
        }
    )
    shares = tf.nn.softmax(outputs["mlm_logits"])[0].numpy()  # [P, V]
    for row, filling in zip(shares, first["fillings"], strict=True):
        best = np.argsort(-row)[:3]
        assert [f["piece"] for f in filling] == [tokenizer.pieces[i] for i in best]
        assert [f["probability"] for f in filling] == pytest.approx(list(row[best]), rel=1e-5)


def test_rows_of_a_padded_table_are_never_filled_in(folder, tmp_path):
    _, model, tokenizer = folder
    padded = albert_tf.AlbertPretrainer({**tiny_task.MODEL, "vocab_size": 1016})
    for theirs, ours in zip(model.weights, padded.weights, strict=True):
        more = [(0, 16 * (a != b)) for a, b in zip(theirs.shape, ours.shape)]
        ours.assign(tf.pad(theirs, more))
    bias = padded.masked_lm.output_bias.numpy()
    bias[1000:] = 99.0  # Without the rule, these rows would win.
    padded.masked_lm.output_bias.assign(bias)
    tf.train.Checkpoint(model=padded, **padded.checkpoint_items).save(str(tmp_path / "ckpt"))
    padded.albert_config.to_json_file(tmp_path / "albert_config.json")
    tokenizer.save(tmp_path)
    texts = tmp_path / "texts.txt"
    texts.write_text("see the [MASK] with one [MASK]\nthis [MASK]\n")
    expected = list(albert_tf.Predictor(folder[0], top_k=4)(texts))
    predictor = albert_tf.Predictor(tmp_path, top_k=4)
    served = ServedFillMask.from_predictor(predictor).signatures()["serving_default"](
        tf.constant(texts.read_text().splitlines())
    )
    for row, (answer, known) in enumerate(zip(predictor(texts), expected, strict=True)):
        assert answer["filled"] == known["filled"]
        for mask, fillings in enumerate(known["fillings"]):
            pieces = [f["piece"] for f in fillings]
            shares = pytest.approx([f["probability"] for f in fillings], rel=1e-5)
            assert [f["piece"] for f in answer["fillings"][mask]] == pieces
            assert [f["probability"] for f in answer["fillings"][mask]] == shares
            assert [piece.decode() for piece in served["pieces"][row, mask].numpy()] == pieces
            assert served["probabilities"][row, mask].numpy().tolist() == shares


def test_a_text_without_a_mask_is_answered_without_fillings(folder, tmp_path, capsys):
    path = tmp_path / "a.txt"
    path.write_text("the [MASK]\n\nnone here\nthis [MASK]\n")
    predictor = albert_tf.Predictor(folder[0])
    answers = list(predictor(path))
    assert [len(answer["fillings"]) for answer in answers] == [1, 0, 0, 1]
    assert [answer["filled"] for answer in answers[1:3]] == ["", "none here"]
    assert "2 text(s) have no [MASK] within " in capsys.readouterr().err
    path.write_text("none here\nsee the list with one [MASK]\n")
    with pytest.raises(
        InputError, match=r"a \[MASK\] to fill within its first 6 tokens. Received li"
    ):
        list(predictor(path, seq_length=6))


def test_predicting_with_only_an_encoder_is_an_error(folder, tmp_path):
    root, model, tokenizer = folder
    tf.train.Checkpoint(encoder=model.encoder).save(str(tmp_path / "ckpt"))
    model.albert_config.to_json_file(tmp_path / "albert_config.json")
    tokenizer.save(tmp_path)
    with pytest.raises(InputError, match=r"with a head for a task.*with only an encoder"):
        albert_tf.Predictor(tmp_path)
