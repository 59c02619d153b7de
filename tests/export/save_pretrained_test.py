"""A model that was fitted in Keras is saved, and everything that takes the folder agrees."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.export import hub_encoder, lite_model, task_model
from albert_tf.formats.load import load
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.fill_mask.model import AlbertMaskedLM
from albert_tf.tasks.multiple_choice.model import AlbertMultipleChoice
from albert_tf.tasks.predictor import Predictor
from albert_tf.tasks.question_answering.joint_model import AlbertJointSpanLabeler
from albert_tf.tasks.question_answering.model import AlbertSpanLabeler
from albert_tf.tasks.tagging.model import AlbertTokenClassifier
from tests.support import tiny_task
from tests.support.small_config import SMALL

CONFIG = AlbertConfig(**tiny_task.MODEL)
MODELS = {
    "classification": (AlbertClassifier, dict(labels=["bad", "fair", "good"], dropout_rate=0.3)),
    "regression": (AlbertClassifier, dict(num_classes=1)),
    "multi_label": (AlbertClassifier, dict(labels=["a", "b", "c", "d"], problem="multi_label")),
    "tagging": (AlbertTokenClassifier, dict(labels=["O", "B-A", "I-A", "B-B", "I-B"])),
    "question_answering": (AlbertSpanLabeler, {}),
    "joint_question_answering": (AlbertJointSpanLabeler, dict(start_n_top=3, end_n_top=2)),
    "multiple_choice": (AlbertMultipleChoice, {}),
    "fill_mask": (AlbertMaskedLM, {}),
}
TEXTS = ["a fine film", "not worth two hours", "an average story, with 1,000 cuts"]
ROWS, CHOICES, LENGTH = 3, 2, 11


def flat(outputs):
    """Returns outputs of any structure as a list of arrays."""
    return [tensor.numpy() for tensor in tf.nest.flatten(outputs)]


def inputs(model):
    rng = np.random.default_rng(0)
    axes = [CHOICES] if "C" in model.INPUT_AXES else []
    shape = [ROWS, *axes, LENGTH]
    types = np.broadcast_to(np.arange(LENGTH) > 4, shape)
    batch = {
        "input_word_ids": rng.integers(5, CONFIG.vocab_size, shape),
        "input_mask": np.broadcast_to(np.arange(LENGTH) < 9, shape),
        "input_type_ids": types,
        "masked_lm_positions": rng.integers(0, 9, [ROWS, 2]),
    }
    return {name: tf.constant(value.astype(np.int32)) for name, value in batch.items()}


@pytest.fixture(scope="module", params=MODELS)
def saved(request, tmp_path_factory, spm):
    """A model with random weights, a step of training for classes, and its folder."""
    cls, arguments = MODELS[request.param]
    tf_keras.utils.set_random_seed(3)
    model = cls(CONFIG, **arguments)
    if request.param == "classification":
        loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(tf_keras.optimizers.Adam(1e-2), loss)
        before = model.head.kernel.numpy()
        model.fit(spm(TEXTS), tf.constant([0, 1, 2]), verbose=0)
        assert np.any(model.head.kernel.numpy() != before)
    folder = tmp_path_factory.mktemp("saved") / request.param
    model.save_pretrained(folder, spm)
    return request.param, model, folder


def test_the_model_loads_with_the_same_outputs_labels_and_settings(saved):
    task, model, folder = saved
    loaded = type(model).from_pretrained(folder)
    batch = inputs(model)
    for received, expected in zip(flat(loaded(batch)), flat(model(batch)), strict=True):
        np.testing.assert_array_equal(received, expected)
    ours, theirs = loaded.get_config(), model.get_config()
    assert {**ours, "name": ""} == {**theirs, "name": ""}
    assert load(folder).task == model.describe() and model.describe().task == task
    assert loaded.albert_config == CONFIG


def test_conversion_to_hugging_face_keeps_outputs_and_task(saved, tmp_path):
    task, model, folder = saved
    if task == "joint_question_answering":
        with pytest.raises(InputError, match="hugging_face"):
            convert(folder, "hugging_face", tmp_path / "hf")
        return
    convert(folder, "hugging_face", tmp_path / "hf")
    loaded = type(model).from_pretrained(tmp_path / "hf")
    batch = inputs(model)
    for received, expected in zip(flat(loaded(batch)), flat(model(batch)), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-5)


def test_predictor_answers_as_the_model_does(saved, tmp_path, spm):
    task, model, folder = saved
    predictor = Predictor(folder)
    assert predictor.task.describe().labels == model.describe().labels
    if task not in ("classification", "regression"):
        return
    (tmp_path / "in.jsonl").write_text("".join(f'{{"text": "{text}"}}\n' for text in TEXTS))
    answers = list(predictor(tmp_path / "in.jsonl"))
    logits = model(spm(TEXTS)).numpy()
    if task == "regression":
        np.testing.assert_allclose([answer["value"] for answer in answers], logits[:, 0], atol=1e-5)
        return
    best = [model.labels[index] for index in np.argmax(logits, axis=-1)]
    assert [answer["label"] for answer in answers] == best


def test_the_exported_task_equals_the_predictor(saved, tmp_path):
    task, _, folder = saved
    path = task_model.export(folder, tmp_path / "served", check=False)
    served = tf.saved_model.load(str(path))
    for case in task_model.read(folder).cases():
        if case.target != "signatures/tokens":
            continue
        run = served.signatures["tokens"]
        answers = run(**{name: tf.constant(value) for name, value in case.inputs.items()})
        for name, expected in case.expected.items():
            received = answers[name].numpy()
            if received.dtype == object:
                np.testing.assert_array_equal(received.astype("S"), expected)
            else:
                np.testing.assert_allclose(received, expected, atol=1e-5)


def test_the_exported_encoder_equals_that_of_the_model(saved, tmp_path):
    _, model, folder = saved
    hub_encoder.export(folder, tmp_path / "hub", check=False)
    module = tf.saved_model.load(str(tmp_path / "hub"))
    ids = tf.constant(np.random.default_rng(1).integers(5, 999, [2, 7], np.int32))
    batch = dict(input_word_ids=ids, input_mask=tf.ones_like(ids), input_type_ids=ids % 2)
    expected = model.encoder(batch)
    for name in ("pooled_output", "sequence_output"):
        np.testing.assert_allclose(module(batch)[name], expected[name], atol=1e-5)


def test_the_lite_model_equals_the_model(saved, tmp_path):
    task, model, folder = saved
    if task not in ("classification", "regression"):
        return  # tests/export/lite_model_test.py
    lite_model.export(folder, tmp_path / "lite")
    run = lite_model.Interpreter(str(tmp_path / "lite/model.tflite")).get_signature_runner()
    batch = {k: v[:1].numpy() for k, v in inputs(model).items() if k != "masked_lm_positions"}
    outputs, logits = run(**batch), model(batch)
    if task == "regression":
        np.testing.assert_allclose(outputs["value"], logits[:, 0], atol=1e-5)
        return
    np.testing.assert_allclose(outputs["probabilities"], tf.nn.softmax(logits), atol=1e-5)


def test_a_model_from_a_run_keeps_the_settings_of_its_inputs(tmp_path):
    description = TaskDescription("classification", ("a", "b"), {"seq_length": 24, "text": "body"})
    model = AlbertClassifier(SMALL, labels=["a", "b"])
    model.settings = dict(description.settings)
    model.save_pretrained(tmp_path / "saved")
    loaded = AlbertClassifier.from_pretrained(tmp_path / "saved")
    assert loaded.settings.items() >= description.settings.items()


def test_an_encoder_and_a_pretrainer_are_saved(tmp_path):
    ids = tf.constant([[2, 7, 30, 3]])
    for number, model in enumerate(
        (AlbertEncoder.from_albert_config(SMALL), AlbertPretrainer(SMALL))
    ):
        model.save_pretrained(tmp_path / str(number))
        source = load(tmp_path / str(number))
        assert source.config == SMALL and source.task is None
        loaded = type(model).from_pretrained(tmp_path / str(number))
        batch = {"input_word_ids": ids, "masked_lm_positions": tf.constant([[1, 2, 2]])}
        for received, expected in zip(flat(loaded(batch)), flat(model(batch)), strict=True):
            np.testing.assert_array_equal(received, expected)


def test_bad_input_writes_nothing(tmp_path, spm):
    encoder = AlbertEncoder.from_albert_config(SMALL)
    with pytest.raises(InputError, match="1000 pieces for a model with vocab_size=31. Pass the"):
        encoder.save_pretrained(tmp_path / "saved", spm)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="must be new or empty.*1 entries"):
        encoder.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="named activation and norm_first=False. Received activ"):
        AlbertEncoder(31, hidden_size=12, num_attention_heads=3, norm_first=True).save_pretrained(
            tmp_path / "saved"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
