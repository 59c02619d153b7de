import numpy as np
import pytest

from albert_tf.errors import InputError
from albert_tf.tasks.tagging.conll import Sentence
from albert_tf.tasks.tagging.data import check_labels, encode, labels_of, of_words

SENTENCES = [
    Sentence(("EU", "\u0301", "rejects", "1,000,", "Łukasz"), ("B-ORG", "O", "O", "O", "B-PER")),
    Sentence(("Zoë",), ("B-PER",)),
]
LABELS = ("O", "B-ORG", "B-PER")


def test_the_first_token_of_a_word_has_its_label(spm):
    examples, cut = encode(SENTENCES, spm, LABELS, seq_length=40)
    batch = examples.batch(np.array([0, 1]))
    for row, sentence in enumerate(SENTENCES):
        pieces = [spm.encode(word) or [spm.unk_id] for word in sentence.words]
        ids, tags = [spm.cls_id], [-1]
        for tokens, label in zip(pieces, sentence.labels):
            ids += tokens
            tags += [LABELS.index(label), *[-1] * (len(tokens) - 1)]
        length = len(ids) + 1
        assert batch["input_word_ids"][row, :length].tolist() == [*ids, spm.sep_id]
        assert batch["label"][row, :length].tolist() == [*tags, -1]
        assert (batch["label"][row, length:] == -1).all()
    # A word that normalisation removes keeps its place.
    assert spm.encode("\u0301") == [] and (batch["label"][0] >= 0).sum() == 5


def test_every_word_of_a_long_sentence_has_a_label(spm):
    words = ("the", "tower", "of", "bricks", "was", "red", "and", "1,000", "tall")
    labels = tuple(LABELS[i % 3] for i in range(len(words)))
    examples, cut = encode([*SENTENCES, Sentence(words, labels)], spm, LABELS, seq_length=9)
    assert examples.ids.lengths.max() <= 9 and len(examples) > 5
    names = {
        i: [LABELS[tag] if tag >= 0 else "" for tag in examples.batch(np.array([i]))["label"][0]]
        for i in range(len(examples))
    }
    wanted = [list(sentence.labels) for sentence in (*SENTENCES, Sentence(words, labels))]
    assert of_words(names, examples.sources) == dict(enumerate(wanted)) and cut == []


def test_a_word_longer_than_a_row_is_cut_and_reported(spm):
    examples, cut = encode([Sentence(("abcdefghijklmnop", "is"))], spm, LABELS, seq_length=6)
    assert cut == ["abcdefghijklmnop"] and "label" not in examples.labels
    assert [len(row.heads) for row in examples.sources] == [1, 1]


def test_labels_are_collected_and_unknown_labels_are_errors():
    assert labels_of(SENTENCES) == LABELS
    bad = Sentence(("a", "b"), ("O", "B-PRE"), 7, "dev.txt")
    with pytest.raises(
        InputError, match=r"seen in training. Received 'B-PRE' at 'dev.txt' line 8. Closest: B-PER"
    ):
        check_labels([*SENTENCES, bad], LABELS)


def test_a_row_without_room_for_a_token_is_an_error(spm):
    with pytest.raises(InputError, match="Received seq_length=2. Set SEQ_LENGTH to 3"):
        encode(SENTENCES, spm, LABELS, seq_length=2)
