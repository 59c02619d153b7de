"""Every fine-tuning task learns from a teacher: values next to NumPy, parts, labels, refusals."""

import json
import random
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.errors import InputError
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.distillation import losses
from albert_tf.tasks.distillation.config import DistillationConfig
from albert_tf.tasks.embedding.task import EmbeddingTask
from albert_tf.tasks.model_config import ModelConfig
from albert_tf.tasks.multiple_choice.task import MultipleChoiceTask
from albert_tf.tasks.question_answering.joint_task import JointQuestionAnsweringTask
from albert_tf.tasks.question_answering.task import QuestionAnsweringTask
from albert_tf.tasks.tagging.task import TaggingTask
from tests.support import choice_file, conll_file, squad_file, tiny_task
from tests.support.numpy_distillation import (
    T,
    divergence,
    of_joint_spans,
    of_spans,
    of_vectors,
    of_words,
    sigmoid,
    soft,
)

WORDS = ["file", "list", "line", "object", "string", "value", "name", "path"]


def table(label):
    """Returns a function that writes texts of different lengths, with such a label."""

    def write(path, count, seed):
        rng, lines = random.Random(seed), []
        for index in range(count):
            text = " ".join(rng.choices(WORDS, k=2 + index % 7))
            lines.append(json.dumps({"text": text, "second_text": text[::-1], "label": label(rng)}))
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


KINDS = {
    "classes": (
        ClassificationTask,
        table(lambda rng: rng.choice("xyz")),
        dict(),
        lambda batch, wanted, found: soft(wanted, found).mean(),
    ),
    "numbers": (
        ClassificationTask,
        table(lambda rng: rng.randint(0, 9) / 4),
        dict(problem="regression"),
        lambda batch, wanted, found: np.square(np.asarray(wanted) - found).mean(),
    ),
    "label_sets": (
        ClassificationTask,
        table(lambda rng: [name for name in "abc" if rng.random() < 0.6]),
        dict(problem="multi_label"),
        lambda batch, wanted, found: sigmoid(wanted, found).mean(),
    ),
    "documents": (
        ClassificationTask,
        table(lambda rng: rng.choice("xy")),
        dict(windows="mean", doc_stride=3),
        lambda batch, wanted, found: soft(wanted, found).mean(),
    ),
    "tags": (TaggingTask, conll_file.write, dict(), of_words),
    "spans": (
        QuestionAnsweringTask,
        squad_file.write,
        dict(doc_stride=6, max_query_length=8),
        of_spans,
    ),
    "joint_spans": (
        JointQuestionAnsweringTask,
        lambda *args: squad_file.write(*args, impossible=0.4),
        dict(doc_stride=6, max_query_length=8),
        of_joint_spans,
    ),
    "choices": (
        MultipleChoiceTask,
        choice_file.swag,
        dict(num_choices=5, max_qa_length=12),
        lambda batch, wanted, found: soft(wanted, found, batch["choices"].numpy() > 0).mean(),
    ),
    "pairs": (EmbeddingTask, table(lambda rng: 1.0), dict(objective="pairs"), of_vectors),
}
ENDINGS = {"tags": ".txt", "choices": ".csv", "spans": ".json", "joint_spans": ".json"}
LENGTHS = {"documents": 8}


def disturbed(model):
    """Gives each variable other values, so that no two layers or models agree by chance."""
    for number, variable in enumerate(model.variables):
        # The scores of choices are from one weight for each number of a vector.
        deviation = 3.0 if "multiple_choice" in variable.name else 0.1
        variable.assign_add(
            tf.random.stateless_normal(variable.shape, [number, 2], stddev=deviation)
        )
    return model


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Returns the files of a kind, and a teacher with random weights, made once."""
    all_made = {}

    def make(kind, name="teacher", layers=4, **sizes):
        if (kind, name) not in all_made:
            root = tmp_path_factory.mktemp(kind)
            cls, write, config, _ = KINDS[kind]
            data = write(root / f"train{ENDINGS.get(kind, '.jsonl')}", 12, 1)
            sizes = {**tiny_task.MODEL, "num_hidden_layers": layers, **sizes}
            length = LENGTHS.get(kind, 24)
            task = tiny_task.task(cls, data, data, length, 6, model=sizes, **config)
            (root / name).mkdir()
            folder = tiny_task.save(task, disturbed(task.build_model()), root / name)
            all_made[kind, name] = SimpleNamespace(data=data, folder=folder)
        return all_made[kind, name]

    return make


def student(made, kind, teacher=None, checks=True, **changes):
    """Returns a task that learns from a teacher, without dropout."""
    files = made(kind)
    cls, _, config, _ = KINDS[kind]
    settings = dict(labels=0.0, attention=1.0, temperature=T, teacher=str(teacher or files.folder))
    settings |= changes.pop("settings", {})
    fields = dict(init_from=str(files.folder), classifier_dropout=0.0, hidden_dropout=0.0)
    fields |= dict(attention_dropout=0.0, distillation=DistillationConfig(**settings))
    params = cls.config_class()(**{**fields, **config, **changes})
    for data in (params.train_data, params.validation_data):
        data.input_path, data.seq_length = str(files.data), LENGTHS.get(kind, 24)
        data.global_batch_size, data.seed = 6, 0
    task = cls(params)
    if checks:
        task.check()
    return task


class Recorder(tf_keras.optimizers.legacy.SGD):
    """Keeps the gradients that it is to apply."""

    def apply_gradients(self, grads_and_vars, **kwargs):
        self.seen = {variable.name: tf.convert_to_tensor(g) for g, variable in grads_and_vars}


def step(task, model=None, batch=None):
    """Returns model, batch, metrics and gradients of a training step."""
    if model is None:
        model = task.build_model()
        task.initialize(model)
    elif task.distillation is None:
        task.learn_from_teacher(model)
    if batch is None:
        batch = next(iter(task.build_inputs(task.task_config.train_data)))
    metrics, optimizer = task.build_metrics(), Recorder(1.0)
    task.train_step(batch, model, optimizer, metrics)
    values = {metric.name: float(metric.result()) for metric in metrics}
    return SimpleNamespace(model=model, batch=batch, metrics=values, gradients=optimizer.seen)


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_zero_for_a_copy_and_those_of_numpy_for_fewer_layers(made, kind):
    copy = step(student(made, kind, settings=dict(labels=1.0))).metrics
    for name in losses_of(copy):
        assert abs(copy[name]) < 1e-6
    assert copy["label_loss"] > 1e-3

    task = student(made, kind, num_layers=2)
    assert task.task_config.model.num_hidden_layers == 2
    found = step(task)
    teacher = task.MODEL.from_pretrained(str(made(kind).folder), dropout_rate=0.0)
    outputs = [task.forward(model, found.batch) for model in (teacher, found.model)]
    expected = KINDS[kind][3](found.batch, *outputs)
    assert found.metrics["distill_logits"] == pytest.approx(expected, rel=1e-3)
    assert expected > 1e-4
    assert found.metrics["distill_hidden"] > 1e-3 and found.metrics["distill_attention"] > 1e-4


def losses_of(metrics):
    names = [name for name in metrics if name.startswith("distill")]
    assert names == ["distill_logits", "distill_hidden", "distill_attention"]
    return names


def test_hidden_states_and_attention_are_those_of_the_encoders(made):
    found = step(student(made, "tags", num_layers=2))
    inputs = {n: v for n, v in found.batch.items() if n.startswith("input_")}
    mask = inputs["input_mask"].numpy() > 0
    outputs = []
    for source in (made("tags").folder, found.model.encoder):
        if not isinstance(source, tf.Module):
            source = TaggingTask.MODEL.from_pretrained(str(source)).encoder
        source._return_attention_scores = True
        outputs.append(source(inputs))
    hidden, attention = [], []
    for layer, other in enumerate((1, 3)):
        wanted, ours = outputs[0]["encoder_outputs"][other], outputs[1]["encoder_outputs"][layer]
        hidden.append([np.square((a - b)[m]).mean() for a, b, m in zip(wanted, ours, mask)])
        wanted, ours = (
            scores[index].numpy()
            for scores, index in zip((o["attention_scores"] for o in outputs), (other, layer))
        )
        attention.append(
            [divergence(a[:, m], b[:, m]).mean() for a, b, m in zip(wanted, ours, mask)]
        )
    assert found.metrics["distill_hidden"] == pytest.approx(np.mean(hidden), rel=1e-4)
    # Divergences are differences of logarithms that are almost equal.
    wanted = pytest.approx(np.mean(attention), rel=1e-4, abs=1e-6)
    assert found.metrics["distill_attention"] == wanted


@pytest.mark.parametrize("kind", ["documents", "tags", "joint_spans", "choices", "pairs"])
def test_parts_recomputation_and_padding_removal_leave_the_gradients_unchanged(made, kind):
    settings = dict(settings=dict(labels=0.7, logits=0.9, hidden=0.4, attention=0.0), num_layers=2)
    whole = step(student(made, kind, **settings))
    assert max(np.abs(g).max() for g in whole.gradients.values()) > 1e-3
    changes = dict(accumulation_steps=3, recompute=True, remove_padding=True)
    task = student(made, kind, **settings, **changes)
    model = task.build_model()
    model.set_weights(whole.model.get_weights())
    parts = step(task, model, whole.batch)
    assert parts.gradients.keys() == whole.gradients.keys() and len(parts.gradients) > 15
    for name, value in whole.gradients.items():
        most = 1e-5 * max(1.0, np.abs(value).max())
        np.testing.assert_allclose(parts.gradients[name], value, atol=most, err_msg=name)
    for name in ("label_loss", "distill_logits", "distill_hidden"):
        assert parts.metrics[name] == pytest.approx(whole.metrics[name], rel=1e-3)


def test_the_loss_is_the_weighted_sum(made):
    weights = dict(labels=0.3, logits=0.6, hidden=0.2, attention=0.5)
    task = student(made, "classes", num_layers=3, settings=weights)
    model = task.build_model()
    task.initialize(model)
    batch = next(iter(task.build_inputs(task.task_config.train_data)))
    metrics = task.build_metrics()
    loss = float(task.train_step(batch, model, Recorder(1.0), metrics)["loss"])
    values = {metric.name: float(metric.result()) for metric in metrics}
    names = ("label_loss", *losses_of(values))
    assert loss == pytest.approx(np.dot([values[n] for n in names], list(weights.values())))
    assert values["label_loss"] == pytest.approx(float(task.build_losses(batch, model(batch))))


def test_a_teacher_of_another_width_is_compared_through_a_layer_that_is_trained(made):
    wide = dict(hidden_size=40, num_attention_heads=4)
    teacher = made("classes", "wide", layers=6, **wide).folder
    found = step(student(made, "classes", teacher, num_layers=2))
    kernel = "distillation/kernel:0"
    assert found.gradients[kernel].shape == (32, 40)
    assert np.abs(found.gradients[kernel]).max() > 1e-3
    assert found.metrics["distill_hidden"] > 1e-3


def test_labels_in_another_order_are_matched(made, tmp_path):
    files = made("classes")
    found = step(student(made, "classes", num_layers=2))
    folder = shutil.copytree(files.folder, tmp_path / "other")
    task = json.loads((folder / "task.json").read_text())
    (folder / "task.json").write_text(json.dumps({**task, "labels": ["y", "z", "x"]}))
    other = student(made, "classes", folder, num_layers=2)
    # The teacher's outputs keep their places and change their names.
    wanted = ClassificationTask.MODEL.from_pretrained(str(files.folder))(found.batch)
    expected = soft(tf.gather(wanted, [2, 0, 1], axis=-1), found.model(found.batch)).mean()
    model = other.build_model()
    model.set_weights(found.model.get_weights())
    metrics = step(other, model, found.batch).metrics
    assert metrics["distill_logits"] == pytest.approx(expected, rel=1e-3)


UNLABELLED = {
    "classes": (".jsonl", json.dumps({"text": "see the file"})),
    "label_sets": (".jsonl", json.dumps({"text": "see the file"})),
    "documents": (".jsonl", json.dumps({"text": "see the file of the list with one line"})),
    "tags": (".conll", "see\nthe\nTurtle\n"),
    "choices": (".csv", "sent1,sent2,ending0,ending1,ending2,ending3\nsee,it,is,was,are,were"),
}


@pytest.mark.parametrize("kind", UNLABELLED)
def test_texts_without_labels_have_the_losses_of_the_teacher_only(made, kind, tmp_path):
    ending, text = UNLABELLED[kind]
    path = tmp_path / f"more{ending}"
    path.write_text(text + "\n")
    plain = student(made, kind, num_layers=2, settings=dict(labels=1.0))
    task = student(made, kind, num_layers=2, settings=dict(labels=1.0, unlabelled=str(path)))
    examples = task.examples(task.task_config.train_data)
    count = len(plain.examples(plain.task_config.train_data))
    assert examples.labels["labelled"].tolist() == [1.0] * count + [0.0] * (len(examples) - count)
    batch = examples.batch(np.array([0, 1, count, 2]))
    batch = {name: tf.constant(value) for name, value in batch.items()}
    found = step(task, batch=batch)
    labelled = {n: tf.gather(v, [0, 1, 3]) for n, v in batch.items() if n != "labelled"}
    of_labels = step(plain, found.model, labelled).metrics
    assert found.metrics["label_loss"] == pytest.approx(of_labels["label_loss"], rel=1e-5)
    if kind == "classes":
        assert found.metrics["train_accuracy"] == pytest.approx(of_labels["train_accuracy"])
    teacher = task.MODEL.from_pretrained(str(made(kind).folder), dropout_rate=0.0)
    outputs = [task.forward(model, batch) for model in (teacher, found.model)]
    expected = KINDS[kind][3](batch, *outputs)
    assert found.metrics["distill_logits"] == pytest.approx(expected, rel=1e-3)
    alone = {name: value[2:3] for name, value in batch.items()}
    assert step(task, found.model, alone).metrics["label_loss"] == 0.0  # Not NaN.


def test_a_teacher_with_another_vocabulary_gives_the_logits_of_whole_texts(made, tmp_path):
    files = made("classes")
    cased = str(tiny_task.VOCAB.with_name("spm_cased.model"))
    sizes = {**tiny_task.MODEL, "vocab_size": 1000}
    params = ClassificationTask.config_class()(
        from_scratch=True, vocab_file=cased, model=ModelConfig(**sizes)
    )
    params.train_data.input_path, params.train_data.seq_length = str(files.data), 20
    other = ClassificationTask(params)
    other.check()
    folder = tiny_task.save(other, disturbed(other.build_model()), tmp_path / "cased")
    only = dict(hidden=0.0, attention=0.0)
    task = student(made, "classes", folder, num_layers=2, settings=only)
    found = step(task)
    rows = [json.loads(line)["text"] for line in files.data.read_text().splitlines()]
    tokenizer, teacher = other.tokenizer, ClassificationTask.MODEL.from_pretrained(str(folder))
    texts = [rows[index] for index in found.batch["example"].numpy()]
    wanted = np.concatenate([teacher(tokenizer([text])) for text in texts])
    expected = soft(wanted, found.model(found.batch)).mean()
    assert found.metrics["distill_logits"] == pytest.approx(expected, rel=1e-3)
    message = (
        "must have the vocabulary and preprocessing of its student, unless .* Received TEACHER="
        f"'{folder}' with another one for classification and DISTILL_HIDDEN=1.0 and "
        "DISTILL_ATTENTION=1.0. Set DISTILL_HIDDEN=0 and DISTILL_ATTENTION=0, or use a teacher"
    )
    with pytest.raises(InputError, match=message):
        student(made, "classes", folder, num_layers=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(logits=-1.0), "DISTILL_LOGITS must be the weight of a loss, 0 or more. Received -1"),
        (dict(labels=float("inf")), "DISTILL_LABELS must be the weight.* Received inf"),
        (dict(hidden="1"), "DISTILL_HIDDEN must be the weight.* Received '1'"),
        (dict(logits=0.0, hidden=0.0, attention=0.0), "must learn from it. Received 0 for each"),
        (dict(temperature=0.0), "DISTILL_TEMPERATURE must be a positive number. Received 0.0"),
        (
            dict(teacher="", labels=1.0, attention=0.0, temperature=2.0, unlabelled="x"),
            "UNLABELLED is a setting .* and no TEACHER. Set",
        ),
        (
            dict(teacher="", labels=1.0),
            "DISTILL_ATTENTION is a setting of distillation.*no TEACHER",
        ),
        (dict(teacher="/nowhere"), "/nowhere"),
    ],
)
def test_invalid_settings_are_refused(made, settings, message):
    with pytest.raises(InputError, match=message) as error:
        student(made, "classes", settings=settings)
    assert "\n" not in str(error.value)


def test_a_teacher_that_cannot_teach_is_refused(made, tmp_path):
    def refused(message, kind, teacher, **changes):
        with pytest.raises(InputError, match=message) as error:
            student(made, kind, teacher, **changes)
        assert "\n" not in str(error.value)

    classes, tags, sets = (made(kind).folder for kind in ("classes", "tags", "label_sets"))
    message = "for the task of its student. Received .* a model for {}, and a student for {}. Fine"
    refused(message.format("tagging", "classification"), "classes", tags)
    refused(message.format("multi_label", "classification"), "classes", sets)
    refused(message.format("classification", "tagging"), "tags", classes)
    bare = shutil.copytree(classes, tmp_path / "bare")
    (bare / "task.json").unlink()
    refused(message.format("no task", "classification"), "classes", bare)
    (bare / tiny_task.VOCAB.name).unlink()
    refused("must come with its vocabulary", "classes", bare)
    other = shutil.copytree(classes, tmp_path / "labels")
    task = json.loads((other / "task.json").read_text())
    (other / "task.json").write_text(json.dumps({**task, "labels": ["x", "y", "w"]}))
    refused(
        "the labels of its student, in any order. Received .*alone has 'w', for a student that "
        "alone has 'z'. Set LABELS",
        "classes",
        other,
    )
    shallow = made("classes", "shallow", layers=1).folder
    refused(
        "DISTILL_HIDDEN needs a teacher with at least as many layers as its student. Received 4 "
        "layers for .* with 1. Set DISTILL_HIDDEN=0 and DISTILL_ATTENTION=0, or lower NUM_LAYERS",
        "classes",
        shallow,
    )
    heads = made("classes", "heads", num_attention_heads=2).folder
    refused("as many attention heads as its student. Received 4 heads .* with 2", "classes", heads)
    short = made("classes", "short", max_position_embeddings=24).folder
    files = made("classes")
    long = student(made, "classes", short, checks=False)
    long.task_config.train_data.seq_length = 30
    with pytest.raises(InputError, match="able to read the texts.*SEQ_LENGTH=30 .*=24"):
        long.check()
    assert student(made, "classes", short).teacher.source.path == short != files.folder
    vectors = made("pairs", "wide", hidden_size=40).folder
    refused("vectors of 32 numbers for .* with 40. Set DISTILL_LOGITS=0", "pairs", vectors)
    refused(
        "Received WINDOWS='mean' for TEACHER=.* with 'first'. Set WINDOWS=first",
        "classes",
        classes,
        windows="mean",
    )
    lines = tmp_path / "texts.txt"
    lines.write_text("see the file\n")
    unlabelled = dict(settings=dict(unlabelled=str(lines)))
    refused("UNLABELLED is not for embedding", "pairs", None, **unlabelled)
    lines.write_text("")
    refused("UNLABELLED must have texts. Received 0 examples in", "classes", None, **unlabelled)


def test_layer_map_of_a_deeper_teacher_is_that_of_the_docs():
    assert [i + 1 for i in losses.layer_map(6, 12)] == [2, 4, 6, 8, 10, 12]
    assert re.match(r".*i \* m // n", losses.__doc__, re.DOTALL)
