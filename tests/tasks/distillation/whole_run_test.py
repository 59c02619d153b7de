"""Students from the command line: train, resume, evaluate, predict, export and convert."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from albert_tf import Predictor
from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from tests.support.commands import call
from tests.support.whole_runs import Run, Sentences, Tags, predicted


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    sizes = {
        f"model_config.ModelConfig.{name}": value
        for name, value in dict(num_hidden_layers=4, hidden_size=40).items()
    }
    return Run(
        Sentences("finetune_table", TEXT="text", **sizes), tmp_path_factory.mktemp("teacher")
    )


@pytest.fixture(scope="module")
def run(teacher, tmp_path_factory):
    """A student of half the layers; its dropout must be drawn again when it resumes."""
    root = tmp_path_factory.mktemp("student")
    (root / "more.csv").write_text("text\nsee the file\nthe list of it\n")
    macros = dict(TEACHER=teacher.folder, INIT_FROM=teacher.folder, NUM_LAYERS=2)
    macros |= dict(UNLABELLED=root / "more.csv", DROPOUT=0.1, ACCUMULATION_STEPS=2)
    return Student(Sentences("finetune_table", DISTILL_ATTENTION=0.5, **macros), root)


class Student(Run):
    """A run that starts from other weights, and so has no sizes of its own."""

    OWN = ("FROM_SCRATCH", "VOCAB")

    def train(self, mode, folder=None, **changes):
        names = [n for n in self.macros if n in self.OWN or n.startswith("model_config")]
        for name in names:
            del self.macros[name]
        super().train(mode, folder, **changes)


def variables(folder, step):
    reader = tf.train.load_checkpoint(str(folder / f"ckpt-{step}"))
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {n: reader.get_tensor(n) for n in names if not n.startswith("save_counter/")}


def test_a_run_that_lost_its_last_checkpoint_gets_the_same_weights(run, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "run")
    for path in folder.glob("ckpt-6.*"):
        path.unlink()
    run.train("train_and_eval", folder)
    one, two = variables(run.folder, 6), variables(folder, 6)
    assert one.keys() == two.keys() and len(one) > 60
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name], err_msg=name)


def test_the_student_has_its_layers_and_its_losses_are_logged(run):
    assert AlbertConfig.from_json_file(run.folder / "albert_config.json").num_hidden_layers == 2
    lines = map(json.loads, (run.folder / "history.jsonl").read_text().splitlines())
    trained = [line for line in lines if line["split"] == "train"]
    for line in trained:
        parts = [line[f"distill_{name}"] for name in ("logits", "hidden", "attention")]
        total = line["label_loss"] + np.dot(parts, [1.0, 1.0, 0.5])
        assert line["training_loss"] == pytest.approx(total, rel=1e-5) and min(parts) > 0
    events = (run.folder / "train").glob("events*")  # One for each start of the run.
    assert any(b"distill_hidden" in path.read_bytes() for path in events)


def test_the_student_predicts_is_exported_and_converted_without_its_teacher(run, tmp_path):
    run.train("eval", TEACHER="/gone")
    answers = predicted(run.folder, run.labelled, tmp_path / "answers.jsonl")
    assert run.kind.score(answers, run.labelled) == pytest.approx(run.metrics["best"]["accuracy"])
    call("export", "task", run.folder, tmp_path / "served", "--no_check")
    served = tf.saved_model.load(str(tmp_path / "served/1")).signatures["serving_default"]
    outputs = served(text=tf.constant(run.kind.asked(run.labelled)["text"]))
    wanted = [list(answer["probabilities"].values()) for answer in answers]
    np.testing.assert_allclose(outputs["probabilities"], wanted, atol=1e-5)
    call("convert", run.folder, "--to", "hugging_face", tmp_path / "theirs")
    assert json.loads((tmp_path / "theirs/config.json").read_text())["num_hidden_layers"] == 2
    converted = Predictor(tmp_path / "theirs")(run.labelled)
    assert [answer["label"] for answer in converted] == [answer["label"] for answer in answers]


def test_the_layer_between_two_widths_is_in_checkpoints_and_not_in_the_model(
    teacher, run, tmp_path
):
    """A student of its own size, whose hidden states are narrower than the teacher's."""
    sizes = {f"model_config.ModelConfig.{n}": v for n, v in dict(hidden_size=32).items()}
    small = Run(Sentences("finetune_table", TEACHER=teacher.folder, **sizes), tmp_path)
    assert any("distillation/kernel" in name for name in variables(small.folder, 6))
    source = load(small.folder / "ckpt-6")
    assert not source.unread and source.skipped["variables of distillation"] == 2
    answers = predicted(small.folder, small.labelled, tmp_path / "answers.jsonl")
    assert small.kind.score(answers, small.labelled) == pytest.approx(
        small.metrics["best"]["accuracy"]
    )
    folder = shutil.copytree(small.folder, tmp_path / "again")
    for path in folder.glob("ckpt-6.*"):
        path.unlink()
    small.train("train_and_eval", folder)
    one, two = variables(small.folder, 6), variables(folder, 6)
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name], err_msg=name)


@pytest.mark.parametrize(
    ("macros", "message"),
    [
        (dict(NUM_LAYERS=5), "from 1 to the 4 of the initial weights. Received NUM_LAYERS=5"),
        (dict(NUM_LAYERS=0), "from 1 to the 4 .* Received NUM_LAYERS=0"),
        (dict(NUM_LAYERS="2.5"), "NUM_LAYERS must be a whole number or None. Received"),
        (dict(FROM_SCRATCH=True, INIT_FROM=""), "NUM_LAYERS .* with FROM_SCRATCH=True. Set"),
        (dict(REMOVE_PADDING=True), "padded rows. Received remove_padding=True with DISTILL_ATT"),
        (dict(TEACHER=""), "is a setting of distillation. Received .* and no TEACHER"),
        (dict(DISTILL_LOGITS=-1), "DISTILL_LOGITS must be the weight"),
        (dict(UNLABELLED="/none.csv"), "/none.csv"),
    ],
)
def test_wrong_settings_stop_a_run_before_it_writes(run, macros, message, tmp_path):
    with pytest.raises(InputError, match=message):
        run.train("train_and_eval", tmp_path / "run", **macros)
    assert not (tmp_path / "run").exists()


def test_a_run_resumes_with_its_number_of_layers_only(run):
    message = "resume with the model in its folder. Received NUM_LAYERS=1 for .* with 2 layers"
    with pytest.raises(InputError, match=message):
        run.train("train", NUM_LAYERS=1)


def test_a_teacher_for_another_task_is_refused(teacher, tmp_path):
    tags = Tags("finetune_conll2003", "f1", TEACHER=teacher.folder)
    with pytest.raises(InputError, match="a model for classification, and a student for tagging"):
        Run(tags, tmp_path)
