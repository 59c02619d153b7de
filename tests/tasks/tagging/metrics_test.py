"""Entity scores against a count written from the definition of the CoNLL evaluation."""

import random

import pytest

from albert_tf.tasks.tagging import metrics as tagging_metrics

LABELS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]


def entities(sentences):
    """Every run of words of one type: begins at B, or at an I of another type than before."""
    found = set()
    for number, tags in enumerate(sentences):
        begin, kind = 0, None
        for i, tag in enumerate([*tags, "O"]):
            prefix, _, of = tag.partition("-")
            if kind and (prefix != "I" or of != kind):
                found.add((number, begin, i, kind))
                kind = None
            if prefix != "O" and kind is None:
                begin, kind = i, of
    return found


@pytest.fixture(params=range(4))
def tagged(request):
    rng = random.Random(request.param)
    lengths = [rng.randint(1, 9) for _ in range(40)]
    wanted = [rng.choices(LABELS, k=n) for n in lengths]
    found = [[tag if rng.random() < 0.8 else rng.choice(LABELS) for tag in tags] for tags in wanted]
    return wanted, found


def test_scores_of_random_tags(tagged):
    wanted, found = map(entities, tagged)
    right = len(wanted & found)
    metrics = tagging_metrics.of_tags(*tagged)
    precision, recall = right / len(found), right / len(wanted)
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


def test_confusion_is_drawn(tagged, tmp_path):
    (path,) = tagging_metrics.draw(*tagged, LABELS, tmp_path)
    assert path.read_bytes()[:4] == b"\x89PNG" and path.name == "confusion.png"
