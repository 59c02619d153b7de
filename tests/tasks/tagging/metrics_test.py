"""Compares entity metrics with a reference that follows the definition of the CoNLL evaluation."""

import random

import pytest
from seqeval import metrics, scheme
from seqeval.metrics.sequence_labeling import get_entities

from albert_tf.tasks.tagging import metrics as tagging_metrics
from albert_tf.tasks.tagging import schemes

LABELS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]


def entities(sentences):
    """Returns all entities: runs of words of a type, which begin at B or at an I of a new type."""
    result = set()
    for number, tags in enumerate(sentences):
        begin, kind = 0, None
        for i, tag in enumerate([*tags, "O"]):
            prefix, _, of = tag.partition("-")
            if kind and (prefix != "I" or of != kind):
                result.add((number, begin, i, kind))
                kind = None
            if prefix != "O" and kind is None:
                begin, kind = i, of
    return result


@pytest.fixture(params=range(4))
def tagged(request):
    rng = random.Random(request.param)
    lengths = [rng.randint(1, 9) for _ in range(40)]
    wanted = [rng.choices(LABELS, k=n) for n in lengths]
    predicted = [[t if rng.random() < 0.8 else rng.choice(LABELS) for t in tags] for tags in wanted]
    return wanted, predicted


def test_metrics_of_random_tags_equal_the_reference(tagged):
    wanted, predicted = map(entities, tagged)
    right = len(wanted & predicted)
    metrics = tagging_metrics.of_tags(*tagged)
    precision, recall = right / len(predicted), right / len(wanted)
    assert metrics["precision"] == pytest.approx(precision)
    assert metrics["recall"] == pytest.approx(recall)
    assert metrics["f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    pairs = [(a, b) for tags in zip(*tagged) for a, b in zip(*tags)]
    assert metrics["accuracy"] == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
    per = {kind for _, _, _, kind in wanted}
    table = tagging_metrics.table(*tagged)
    assert per == {"PER", "ORG"} and all(kind in table for kind in per)


def test_tags_without_entities_have_an_accuracy():
    metrics = tagging_metrics.of_tags([["O", "O"]], [["O", "O"]])
    assert (metrics["f1"], metrics["accuracy"], metrics["distinct_answers"]) == (0.0, 1.0, 1.0)


def test_draw_writes_a_png_of_the_confusion_matrix(tagged, tmp_path):
    (path,) = tagging_metrics.draw(*tagged, LABELS, tmp_path)
    assert path.read_bytes()[:4] == b"\x89PNG" and path.name == "confusion.png"


PREFIXES = {"IOB1": "BI", "IOB2": "BI", "IOBES": "BIES", "BILOU": "BILU"}


@pytest.mark.parametrize("name", PREFIXES)
def test_metrics_of_each_scheme_equal_both_modes_of_seqeval(name):
    rng = random.Random(len(name))
    labels = ["O", *(f"{prefix}-{kind}" for prefix in PREFIXES[name] for kind in ("A", "B-C"))]
    wanted, predicted = [], []
    for count in [rng.randint(1, 9) for _ in range(200)]:
        found = schemes.entities(rng.choices(labels, k=count))
        wanted.append(list(schemes.tags(found, count, name)))
        kept = [t if rng.random() < 0.7 else rng.choice(labels) for t in wanted[-1]]
        predicted.append(kept)
    ours = tagging_metrics.of_tags(wanted, predicted, "IOB1" if name == "IOB1" else "")
    strict = dict(mode="strict", scheme=getattr(scheme, name))
    assert ours["strict_f1"] == pytest.approx(metrics.f1_score(wanted, predicted, **strict))
    if name == "BILOU":  # The default mode knows IOBES only.
        twins = str.maketrans("UL", "SE")
        wanted, predicted = (
            [[tag[0].translate(twins) + tag[1:] for tag in tags] for tags in side]
            for side in (wanted, predicted)
        )
    assert 0.2 < ours["f1"] < 0.9
    for key in ("f1", "precision", "recall"):
        theirs = getattr(metrics, f"{key}_score")(wanted, predicted)
        assert ours[key] == pytest.approx(theirs), key
    for tags in predicted:
        found = [(e.kind, e.first, e.last - 1) for e in schemes.entities(tags)]
        assert found == get_entities(tags)
