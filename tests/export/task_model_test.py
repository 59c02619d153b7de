"""Every signature of a task model gives the answers of `albert-tf predict`."""

import json

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.export import manifest, task_model, verify
from albert_tf.export.task_model import Settings
from tests.support import served_tasks
from tests.support.commands import status


def check_all(model, exported):
    """Runs the verification of an export on a loaded model in this process."""
    for case in exported.cases():
        # Dtype S would drop a zero byte at the end of a record.
        assert case.inputs.get("examples", np.zeros(0, object)).dtype == object
        if case.target == "call":
            outputs = model(tensor(case.inputs["texts"])).numpy()
            assert verify._difference("call", outputs, case.expected["output"], 1e-5) < 1e-5
            continue
        run = model.signatures[case.target.removeprefix("signatures/")]
        answers = run(**{name: tensor(value) for name, value in case.inputs.items()})
        for name, expected in case.expected.items():
            received = answers[name].numpy()
            received = received.astype("S") if received.dtype == object else received
            assert verify._difference(name, received, np.asarray(expected), 1e-5) < 1e-5


def tensor(value):
    return tf.constant(value.tolist() if value.dtype.kind in "USO" else value)


def test_answers_equal_those_of_predict(served):
    settings = served_tasks.PRETRAINED.get(served.kind, task_model.DEFAULTS)
    source = task_model.read(served.source, settings)
    assert source.task.kind == served.kind
    check_all(served.model, source)


def test_a_version_is_a_number_and_contains_labels(served):
    assert (served.path.name, served.path.parent.name) == ("1", "mine")
    _, labels, _ = served_tasks.FINE_TUNED.get(served.kind, ("", (), ""))
    assert manifest.read(served.path)["labels"] == list(labels)
    lines = (served.path / "assets/labels.txt").read_text().split() if labels else []
    assert lines == list(labels)


def test_texts_without_masks_have_no_candidates(exported):
    run = exported("fill_mask").model.signatures["serving_default"]
    answers = run(text=tf.constant(["no mask", "", "[MASK]"]))
    assert answers["lengths"].numpy().tolist() == [0, 0, 1]
    assert answers["pieces"].shape == [3, 1, 3]
    assert answers["pieces"][0, 0].numpy().tolist() == [b""] * 3
    assert np.sum(answers["probabilities"][:2]) == 0


@pytest.mark.parametrize("pooling", ["pooled", "cls"])
def test_embeddings_equal_those_of_the_encoder(source, pooling):
    exported = task_model.read(source, Settings(pooling=pooling, seq_length=20))
    signatures = exported.task.signatures()
    for case in exported.cases():
        if case.target == "call":
            continue
        run = signatures[case.target.removeprefix("signatures/")]
        ours = run(*map(tensor, case.inputs.values()))["embedding"].numpy()
        assert np.max(np.abs(ours - case.expected["embedding"])) < 1e-5


def test_invalid_settings_are_rejected_before_anything_is_written(source, tmp_path):
    for settings, message in [
        (Settings(pooling="sum"), "Unknown pooling. Received 'sum'"),
        (Settings(dimensions=3), "--dimensions is for embeddings. Received it for a pretrained m"),
        (Settings(windows="mean"), "--windows is for embeddings. Received it for a pretrained m"),
        (Settings(seq_length=999), "--seq_length 999 .*max_position_embeddings=40"),
        (
            Settings(pairs=True),
            "--pairs is supported for classification, regression, multi_label only. Received it "
            "for a fill_mask model",
        ),
    ]:
        with pytest.raises(InputError, match=message):
            task_model.export(source, tmp_path / "m", settings=settings)
    assert not (tmp_path / "m").exists()


@pytest.mark.clean_process
def test_the_command_verifies_a_task_in_a_separate_process(source, tmp_path, capsys):
    assert status("export", "task", source, tmp_path / "masks", "--version", 3) == 0
    assert "verified in a separate process: 3 calls" in capsys.readouterr().out
    written = json.loads((tmp_path / "masks/3/manifest.json").read_text())
    assert (written["kind"], written["task"]) == ("task_model", "fill_mask")
