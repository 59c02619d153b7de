"""Task models: the answers of `albert-tf predict`, from every signature."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tiny_task
from commands import status
from tensorflow_serving.apis import prediction_log_pb2

from albert_tf.errors import InputError
from albert_tf.export import manifest, task_model, task_source, verify, warmup
from albert_tf.export.task_source import Settings
from albert_tf.modeling.task_description import TaskDescription
from albert_tf.tasks.classification import ClassificationTask
from albert_tf.tasks.joint_question_answering import JointQuestionAnsweringTask
from albert_tf.tasks.multiple_choice import MultipleChoiceTask
from albert_tf.tasks.question_answering import QuestionAnsweringTask
from albert_tf.tasks.tagging import TaggingTask

LENGTH = 24  # Some of the texts are longer.
WINDOWS = dict(doc_stride=5, max_query_length=6, n_best=4, max_answer_length=3)
TASKS = {
    "classification": (ClassificationTask, ("bad", "fair", "good"), {}),
    "pair_regression": (ClassificationTask, (), {"second_text": "b"}),
    "question_answering": (QuestionAnsweringTask, (), WINDOWS),
    "joint_question_answering": (
        JointQuestionAnsweringTask,
        (),
        {**WINDOWS, "start_n_top": 4, "end_n_top": 3},
    ),
    "tagging": (TaggingTask, ("O", "B-A", "I-A"), {}),
    "multiple_choice": (MultipleChoiceTask, (), {"max_qa_length": 9}),
}


def saved(folder, kind):
    """A run of the task whose weights are random."""
    cls, labels, settings = TASKS[kind]
    task = kind.removeprefix("pair_")
    description = TaskDescription(task, labels, {**settings, "seq_length": LENGTH})
    found = tiny_task.task(cls, seq_length=LENGTH)
    found.describe = lambda: description
    tf.keras.utils.set_random_seed(5)
    return tiny_task.save(found, found.build_model(), folder)


def check_all(model, found):
    """Runs on a loaded model, in this process, what an export is verified by."""
    for case in found.cases():
        run = model.signatures[case.target.removeprefix("signatures/")]
        answers = run(**{name: tensor(value) for name, value in case.inputs.items()})
        for name, expected in case.expected.items():
            received = answers[name].numpy()
            received = received.astype("S") if received.dtype == object else received
            assert verify._difference(name, received, np.asarray(expected)) < 1e-5


def tensor(value):
    return tf.constant(value.tolist() if value.dtype.kind in "US" else value)


@pytest.fixture(scope="module", params=list(TASKS))
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    source = saved(folder / "run", request.param)
    path = task_model.export(source, folder / "models/mine", check=False)
    return request.param, source, path, tf.saved_model.load(str(path))


def test_answers_are_those_of_predict(exported):
    kind, source, _, model = exported
    found = task_source.read(source, task_source.DEFAULTS)
    assert found.task.kind == kind
    check_all(model, found)


def test_a_version_is_a_number_and_holds_labels_and_warmup_requests(exported):
    kind, _, path, _ = exported
    assert (path.name, path.parent.name) == ("1", "mine")
    labels = TASKS[kind][1]
    assert manifest.read(path)["labels"] == list(labels)
    lines = (path / "assets/labels.txt").read_text().split() if labels else []
    assert lines == list(labels)


def test_warmup_records_are_requests_that_run(exported):
    _, _, path, model = exported
    seen = []
    for record in tf.data.TFRecordDataset(str(path / warmup.NAME)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        name = request.model_spec.signature_name
        outputs = model.signatures[name](**{n: tf.constant(v) for n, v in inputs.items()})
        sizes = {value.shape[0] for value in inputs.values()}
        assert {int(value.shape[0]) for value in outputs.values()} == sizes
        seen.append((name, *sizes))
    names = ("serving_default", "tokens", "examples")
    assert set(seen) == {(name, size) for name in names for size in (1, 4)}
    assert len(seen) == 12  # lengths 8 and 24


def test_masks_are_filled_as_predict_does(source, masks):
    assert masks.name == "7"
    model = tf.saved_model.load(str(masks))
    check_all(model, task_source.read(source, Settings(seq_length=16, top_k=3)))
    answers = model.signatures["serving_default"](text=tf.constant(["no mask", "", "[MASK]"]))
    assert answers["lengths"].numpy().tolist() == [0, 0, 1]
    assert answers["pieces"].shape == [3, 1, 3]
    assert answers["pieces"][0, 0].numpy().tolist() == [b""] * 3
    assert np.sum(answers["probabilities"][:2]) == 0


@pytest.mark.parametrize("pooling", ["mean", "pooled", "cls"])
def test_embeddings_are_those_of_the_encoder(source, pooling):
    found = task_source.read(source, Settings(pooling=pooling, seq_length=20))
    signatures = found.task.signatures()
    for case in found.cases():
        run = signatures[case.target.removeprefix("signatures/")]
        ours = run(*map(tensor, case.inputs.values()))["embedding"].numpy()
        assert np.max(np.abs(ours - case.expected["embedding"])) < 1e-5


def test_what_does_not_fit_is_refused_before_anything_is_written(source, tmp_path):
    for settings, message in [
        (Settings(pooling="max"), "pooling must be known. Received 'max'"),
        (Settings(seq_length=999), "--seq_length 999, max_position_embeddings=40"),
        (Settings(pairs=True), "--pairs is for classifiers. Received it for a model for fill_mask"),
    ]:
        with pytest.raises(InputError, match=message):
            task_model.export(source, tmp_path / "m", settings=settings)
    assert not (tmp_path / "m").exists()


@pytest.mark.stranger
def test_the_command_verifies_a_task_in_another_process(source, tmp_path, capsys):
    assert status("export", "task", source, tmp_path / "masks", "--version", 3) == 0
    assert "verified in another process: 3 calls" in capsys.readouterr().out
    written = json.loads((tmp_path / "masks/3/manifest.json").read_text())
    assert (written["kind"], written["task"]) == ("task_model", "fill_mask")
