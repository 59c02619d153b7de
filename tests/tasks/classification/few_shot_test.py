"""Few labelled texts: pairs, their loss, and the logistic regression that becomes the head."""

import json
import random

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from albert_tf.config import AlbertConfig
from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.tasks.classification import few_shot
from albert_tf.tasks.classification.few_shot import FewShotTask
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.embedding.model import AlbertEmbedder
from tests.support import tiny_task

WORDS = {"io": ["file", "line"], "code": ["object", "value"], "data": ["list", "name"]}
FILLERS = ["the", "with", "from", "see", "this", "has"]


def table(path, counts, seed=1, words=WORDS):
    """Writes this number of texts of each label, which have one of the words of the label."""
    rng, rows = random.Random(seed), []
    for (label, own), count in zip(words.items(), counts):
        for _ in range(count):
            text = [*rng.choices(FILLERS, k=rng.randint(2, 9)), rng.choice(own)]
            rng.shuffle(text)
            rows.append({"text": " ".join(text), "label": label})
    rng.shuffle(rows)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def task_of(path, eval_path="", **config):
    settings = {"seq_length": 16, "batch_size": 6, **config}
    return tiny_task.task(FewShotTask, path, eval_path, **settings)


def test_pairs_have_the_same_label_as_often_as_different_ones():
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    pairs, same = few_shot.paired(labels, 2, np.random.default_rng(3))
    assert pairs.shape == (9 * 2 * 2, 2) and same.sum() == 18
    assert np.all(pairs[:, 0] != pairs[:, 1])
    np.testing.assert_array_equal(same, labels[pairs[:, 0]] == labels[pairs[:, 1]])
    np.testing.assert_array_equal(np.bincount(pairs[:, 0]), [4] * 9)
    alone, same = few_shot.paired(np.array([0, 0, 0]), 3, np.random.default_rng(3))
    assert len(alone) == 9 and same.all()  # With one label, there are no others.
    again = few_shot.paired(labels, 2, np.random.default_rng(3))[0]
    np.testing.assert_array_equal(pairs, again)


def test_the_loss_is_that_of_the_cosine_of_both_texts(tmp_path):
    task = task_of(table(tmp_path / "a.jsonl", (4, 3, 5)), pairs=2)
    model = task.build_model()
    batch = next(iter(task.build_inputs(task.task_config.train_data)))
    assert batch["input_word_ids"].shape[:2] == (6, 2)
    outputs = task.forward(model, batch)  # The tiny model has no dropout.
    cosines = []
    for row in range(6):
        sides = [
            model.encoder({n: batch[n][row, side : side + 1] for n in few_shot_inputs(batch)})
            for side in (0, 1)
        ]
        a, b = (side["pooled_output"].numpy()[0].astype(np.float64) for side in sides)
        cosines.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    expected = (np.array(cosines) - batch["same"].numpy()) ** 2
    np.testing.assert_allclose(task.losses(batch, outputs), expected, atol=1e-5)
    whole = float(task.build_losses(batch, outputs))
    assert whole == pytest.approx(expected.mean(), abs=1e-5)


def few_shot_inputs(batch):
    return [name for name in batch if name.startswith("input_")]


@pytest.mark.parametrize(
    ("names", "pooling"), [(("io", "code"), "pooled"), (("io", "code", "data"), "mean")]
)
def test_the_head_is_scikit_learns_logistic_regression(names, pooling, tmp_path):
    words = {name: WORDS[name] for name in names}
    path = table(tmp_path / "a.jsonl", (5, 4, 7), words=words)
    task = task_of(path, path, per_class=4, pooling=pooling)
    model = task.build_model()
    task.after_loop(model)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    chosen = task._texts.sources
    assert sorted(row.label for row in chosen) == sorted([*names] * 4)
    vectors = []
    for row in rows:
        tokenizer = task.tokenizer
        ids = [tokenizer.cls_id, *tokenizer.encode(row["text"]), tokenizer.sep_id][:16]
        outputs = model.encoder({"input_word_ids": tf.constant([ids])})
        mean = outputs["sequence_output"].numpy()[0].mean(axis=0)
        vectors.append(mean if pooling == "mean" else outputs["pooled_output"].numpy()[0])
    by_text = dict(zip((row["text"] for row in rows), np.array(vectors)))
    wanted = [task.describe().labels.index(row.label) for row in chosen]
    fitted = LogisticRegression(max_iter=1000)
    read = np.array([by_text[row.texts[0]] for row in chosen])
    scale = np.mean([np.sqrt((vector**2).sum()) for vector in read])
    fitted.fit(read / scale, wanted)
    outputs = tiny_task_outputs(task, model)
    texts = [row.texts[0] for row in task.examples(task.task_config.validation_data).sources]
    expected = fitted.predict_proba(np.array([by_text[text] for text in texts]) / scale)
    np.testing.assert_allclose(tf.nn.softmax(outputs), expected, atol=2e-4)


def tiny_task_outputs(task, model):
    examples = task.examples(task.task_config.validation_data)
    batch = examples.batch(np.arange(len(examples)))
    return model({name: tf.constant(value) for name, value in batch.items()})


def test_training_on_pairs_makes_the_head_better(tmp_path):
    train = table(tmp_path / "train.jsonl", (30, 30, 30))
    dev = table(tmp_path / "dev.jsonl", (20, 20, 20), seed=2)
    task = task_of(train, dev, batch_size=32)
    alone = task.build_model()
    task.after_loop(alone)
    before = tiny_task.evaluate(task, alone)["accuracy"]
    assert before < 0.7
    model, _ = tiny_task.learn(task, 300, 3e-3, seeds=1)
    task.after_loop(model)
    assert tiny_task.evaluate(task, model)["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"per_class": 1}, "PER_CLASS must be 0 or at least 2 texts. Received 1."),
        ({"per_class": True}, "PER_CLASS must be 0 or at least 2 texts. Received True."),
        ({"pooling": "men"}, "POOLING must be pooled or mean. Received 'men'. Closest: mean"),
        ({"pairs": 0}, "PAIRS must be at least 1 pair. Received 0."),
        ({"windows": "mean"}, "reads one row of each text. Received WINDOWS='mean'. Leave it out"),
        ({"class_weights": "balanced"}, "no loss of classes. Received CLASS_WEIGHTS='balanced'"),
        ({"label_smoothing": 0.1}, "no loss of classes. Received LABEL_SMOOTHING=0.1"),
        ({"problem": "multi_label"}, "one class each. Received several labels or numbers of a te"),
        ({"problem": "regression"}, "one class each. Received several labels or numbers of a text"),
        ({}, "at least 2 texts of each label, to make pairs of them. Received 1 of 'data'. Add"),
    ],
)
def test_settings_and_texts_that_make_no_pairs_are_one_error(config, message, tmp_path):
    path = table(tmp_path / "a.jsonl", (3, 4, 1))
    with pytest.raises(InputError, match=message):
        task_of(path, **config)


def test_numbers_as_labels_are_one_error(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"text": "see {n}", "label": {n / 4}}}\n' for n in range(6)))
    with pytest.raises(InputError, match="one class each. Received numbers as labels. Use fine"):
        task_of(path)


def test_the_mean_of_an_embedding_is_kept_and_is_not_converted(tmp_path, spm):
    config = AlbertConfig(**tiny_task.MODEL)
    AlbertEmbedder(config, "mean").save_pretrained(tmp_path / "embedding", spm)
    AlbertEmbedder(config, "cls").save_pretrained(tmp_path / "cls", spm)
    path = table(tmp_path / "a.jsonl", (3, 4, 5))
    for name, pooling in (("embedding", "mean"), ("cls", None)):
        params = FewShotTask.config_class()(init_from=str(tmp_path / name))
        params.train_data.input_path, params.train_data.seq_length = str(path), 16
        task = FewShotTask(params)
        task.check()
        assert task.describe().settings.get("pooling") == pooling
    model = AlbertClassifier(config, labels=["bad", "good"], pooling="mean")
    model.save_pretrained(tmp_path / "mean", spm)
    for kind in ("hugging_face", "tf1"):
        with pytest.raises(InputError, match=f"POOLING=mean, to convert to {kind}. Convert it to"):
            convert(tmp_path / "mean", kind, tmp_path / kind)
    convert(tmp_path / "mean", "checkpoint", tmp_path / "copy")
    same = AlbertClassifier.from_pretrained(tmp_path / "copy")
    batch = spm(["see the file", "a much longer list of lines"])
    np.testing.assert_array_equal(same(batch), model(batch))
    read = model.encoder(batch)["sequence_output"].numpy()
    mask = batch["input_mask"][:, :, None]
    mean = (read * mask).sum(1) / mask.sum(1)
    kernel, bias = model.head.get_weights()
    np.testing.assert_allclose(model(batch), mean @ kernel + bias, atol=1e-5)
    assert not model.encoder.pooler_layer.trainable
    with pytest.raises(InputError, match="of a classifier must be pooled or mean. Received 'max'"):
        AlbertClassifier(config, labels=["bad", "good"], pooling="max")
