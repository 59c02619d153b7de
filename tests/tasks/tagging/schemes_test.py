import random

import pytest

from albert_tf.tasks.tagging import schemes
from albert_tf.tasks.tagging.schemes import Entity

# Two companies side by side, and a person.
FOUND = [Entity("ORG", 0, 2), Entity("ORG", 2, 3), Entity("PER", 4, 7)]
TAGS = {
    "IOB1": "I-ORG I-ORG B-ORG O I-PER I-PER I-PER O",
    "IOB2": "B-ORG I-ORG B-ORG O B-PER I-PER I-PER O",
    "IOBES": "B-ORG E-ORG S-ORG O B-PER I-PER E-PER O",
    "BILOU": "B-ORG L-ORG U-ORG O B-PER I-PER L-PER O",
}


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_each_scheme_is_written_read_and_recognised(scheme):
    tags = tuple(TAGS[scheme].split())
    assert schemes.tags(FOUND, 8, scheme) == tags and schemes.entities(tags) == FOUND
    assert schemes.of_sentences([("O",), tags]) == scheme
    assert set(tags) <= set(schemes.all_labels(["ORG", "PER"], scheme))
    for other in schemes.SCHEMES:
        assert schemes.converted(tags, other) == tuple(TAGS[other].split())


def test_the_scheme_of_labels_without_sentences_is_known():
    assert [schemes.of_labels(t.split()) for t in TAGS.values()] == [
        "IOB1",
        "IOB2",
        *list(TAGS)[2:],
    ]
    assert schemes.of_labels(["O", "NN", "I", "B-", "X-A"]) == ""
    assert schemes.of_labels(["O", "B-A"]) == schemes.of_sentences([("B-A", "B-A")]) == "IOB2"


def test_labels_that_keep_no_scheme_stay_iob2():
    assert schemes.of_sentences([("O", "I-A", "O", "B-A")]) == "IOB2"
    assert schemes.of_sentences([("I-A", "B-A"), ("O",)]) == "IOB1"


def test_all_tags_of_random_entities_are_read_back():
    rng = random.Random(3)
    for scheme in schemes.SCHEMES * 50:
        found, word = [], 0
        for _ in range(rng.randrange(5)):
            first = word + rng.choice([0, 0, 1])
            word = first + rng.randint(1, 4)
            found.append(Entity(rng.choice(["A", "B", "I-O"]), first, word))
        assert schemes.entities(schemes.tags(found, word + 1, scheme)) == found
