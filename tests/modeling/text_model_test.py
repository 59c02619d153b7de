"""`TextModel` computes what model and tokenizer compute, in fit, evaluate, predict and files."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import albert_tf
from albert_tf.errors import InputError
from albert_tf.tasks.classification.model import AlbertClassifier
from tests.support import tiny_task

TEXTS = ["a fine film", "a waste of time and of 1,000 other things, as all of them say", "Ça va?"]
OTHERS = ["one more", "", "the list that follows is longer than the first of these texts by far"]
LABELS = [2, 0, 1]


@pytest.fixture
def model():
    tf_keras.utils.set_random_seed(3)
    config = albert_tf.AlbertConfig(**tiny_task.MODEL)
    return AlbertClassifier(config, labels=["a", "b", "c"], dropout_rate=0.0)


@pytest.fixture
def text_model(model, spm):
    text_model = model.with_preprocessing(spm, seq_length=16)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    text_model.compile(tf_keras.optimizers.legacy.SGD(0.5), loss, metrics=["accuracy"])
    return text_model


def test_outputs_are_those_of_tokenizer_and_model(model, text_model, spm):
    expected = model(spm(TEXTS, max_length=16)).numpy()
    assert np.ptp(expected, axis=0).min() > 1e-4  # Each text has outputs of its own.
    for texts in (
        TEXTS,
        np.array(TEXTS),
        np.array(TEXTS, object),
        tf.constant(TEXTS),
        tf.data.Dataset.from_tensor_slices(TEXTS).batch(3),
    ):
        np.testing.assert_allclose(text_model.predict(texts, verbose=0), expected, atol=1e-6)
    np.testing.assert_allclose(text_model(tf.constant(TEXTS)), expected, atol=1e-6)


def test_pairs_are_cut_as_by_the_tokenizer(model, text_model, spm):
    expected = model(spm(TEXTS, OTHERS, max_length=16)).numpy()
    pair = (np.array(TEXTS, object), np.array(OTHERS, object))
    np.testing.assert_allclose(text_model.predict(pair, verbose=0), expected, atol=1e-6)
    rows = tf.data.Dataset.from_tensor_slices(((TEXTS, OTHERS), LABELS)).batch(3)
    loss, accuracy = text_model.evaluate(rows, verbose=0)
    wanted = tf_keras.losses.sparse_categorical_crossentropy(LABELS, expected, from_logits=True)
    assert loss == pytest.approx(np.mean(wanted), abs=1e-6)
    assert accuracy == pytest.approx(np.mean(expected.argmax(-1) == LABELS))


def test_a_step_on_texts_is_a_step_on_their_ids(model, text_model, spm):
    twin = AlbertClassifier.from_config(model.get_config())
    twin.set_weights(model.get_weights())
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    twin.compile(tf_keras.optimizers.legacy.SGD(0.5), loss)
    twin.fit(spm(TEXTS, max_length=16), np.array(LABELS), verbose=0)
    before = [value.copy() for value in model.get_weights()]
    text_model.fit(TEXTS, LABELS, verbose=0)
    changes = [np.abs(a - b).max() for a, b in zip(before, model.get_weights())]
    assert max(changes) > 1e-3
    for ours, theirs in zip(model.get_weights(), twin.get_weights()):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_keras_file_holds_the_tokenizer_too(text_model, tmp_path):
    expected = text_model.predict(TEXTS, verbose=0)
    text_model.save(tmp_path / "model.keras")
    loaded = tf_keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(TEXTS, verbose=0), expected)
    assert loaded.tokenizer.preprocessing == text_model.tokenizer.preprocessing
    assert (loaded.seq_length, loaded.model.labels) == (16, ("a", "b", "c"))


def test_a_saved_model_takes_texts(text_model, tmp_path):
    expected = text_model.predict(TEXTS, verbose=0)
    text_model.save(tmp_path / "saved", save_format="tf")
    signature = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    (outputs,) = signature(tf.constant(TEXTS)).values()
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_a_saved_folder_is_a_model_for_predictor(text_model, tmp_path):
    expected = tf.nn.softmax(text_model.predict(TEXTS, verbose=0)).numpy()
    text_model.save_pretrained(tmp_path / "mine")
    (tmp_path / "new.txt").write_text("\n".join(TEXTS))
    predictor = albert_tf.Predictor(tmp_path / "mine")
    assert predictor.seq_length == 16
    answers = [list(a["probabilities"].values()) for a in predictor(tmp_path / "new.txt")]
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def test_what_does_not_fit_is_an_error(model, spm):
    for length, message in (
        (1, "must have room for its 2"),
        (65, "seq_length=65, max_position_em"),
    ):
        with pytest.raises(InputError, match=message):
            model.with_preprocessing(spm, length)
    small = AlbertClassifier(albert_tf.AlbertConfig(**{**tiny_task.MODEL, "vocab_size": 9}), 2)
    with pytest.raises(InputError, match="Received 1000 pieces for a model with vocab_size=9"):
        small.with_preprocessing(spm, 16)
    with pytest.raises(InputError, match="one text or two. Received 3 inputs"):
        model.with_preprocessing(spm, 16)([tf.constant(TEXTS)] * 3)


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS,
        np.array(TEXTS),
        np.array(TEXTS, object),
        tf.constant(TEXTS),
        {"input_ids": tf.constant(TEXTS)},
        [np.array(TEXTS), np.ones([3, 1])],
        tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).batch(3),
        tf.data.Dataset.from_tensor_slices(({"input_word_ids": TEXTS}, LABELS)).batch(3),
    ],
)
def test_texts_for_a_model_of_ids_say_what_takes_texts_and_leave_it_usable(model, spm, texts):
    message = r"must be token ids. Received texts. .* model.with_preprocessing\(tokenizer\)"
    model.compile("sgd", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    labels = () if hasattr(texts, "element_spec") else (np.array(LABELS),)
    with pytest.raises(InputError, match=message):
        model.fit(texts, *labels, verbose=0)
    batch = {**spm(TEXTS), "id": np.array(TEXTS)}  # Other entries may be texts.
    assert model.fit(batch, np.array(LABELS), verbose=0).history["loss"][0] > 0


def test_calls_with_texts_are_errors(model):
    encoder = albert_tf.AlbertEncoder(vocab_size=30, hidden_size=8, num_attention_heads=2)
    for call in (model, encoder):
        with pytest.raises(InputError, match="must be token ids. Received texts."):
            call({"input_word_ids": tf.constant([TEXTS])})


def test_the_tokenizer_takes_tensors_and_says_what_a_graph_needs(spm):
    for name, values in spm(tf.constant(TEXTS)).items():
        np.testing.assert_array_equal(values, spm(TEXTS)[name])
    assert spm(tf.constant(TEXTS[0]))["input_word_ids"].shape[0] == 1
    # TensorFlow wraps the error.
    with pytest.raises(Exception, match="Received a tensor of a graph, as in tf.data.Dataset.map"):
        tf.data.Dataset.from_tensor_slices(TEXTS).map(lambda text: spm(text))


@pytest.mark.parametrize("build", [albert_tf.Predictor, AlbertClassifier.from_pretrained])
def test_a_model_in_memory_is_saved_first(build, model):
    message = "Received an object of type AlbertClassifier. Save a model with save_pretrained"
    with pytest.raises(InputError, match=message):
        build(model)
