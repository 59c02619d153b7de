from pathlib import Path

import pytest
import tensorflow as tf

from albert_tf.data.blocks import Block
from albert_tf.data.build_settings import BuildSettings
from albert_tf.data.instances import InstanceMaker

VOCAB = Path(__file__).parents[1] / "testdata/tokenization/spm.model"
DOCUMENTS = [
    ["The first line is here.", "The second one follows it.", "A third comes last."],
    ["\u0301", "Only marks came before this sentence."],
    ["\u0301"],
] * 5


@pytest.fixture(scope="module")
def maker():
    return InstanceMaker(VOCAB, BuildSettings(max_seq_length=90, dupe_factor=3, short_seq_prob=0.0))


def block(first):
    return Block(shard=0, first=first, documents=DOCUMENTS, text_bytes=700)


def test_every_copy_and_every_block_has_its_own_choices(maker):
    one, two = maker(block(0)), maker(block(15))
    assert maker(block(0)) == one
    copies = [*one.copies, *two.copies]
    assert all(len(copy) == 5 for copy in copies)
    assert len({tuple(copy) for copy in copies}) == 6


def test_counts_the_documents_that_give_nothing(maker):
    counts = maker(block(0)).counts
    assert counts["documents"] == 15
    assert counts["dropped/one sentence"] == 5  # the other line vanished in normalisation
    assert counts["dropped/fewer than two tokens"] == 5
    assert counts["instances"] == 3 * 5
    assert counts["ngram/1"] + counts["ngram/2"] + counts["ngram/3"] > 0


def test_the_text_is_not_sent_back(maker):
    assert maker(block(4)).block == Block(0, 4, [], 700)


def test_without_sentence_order_there_is_one_segment_and_no_label():
    settings = BuildSettings(max_seq_length=21, dupe_factor=1, sentence_order=False)
    result = InstanceMaker(VOCAB, settings)(block(0))
    counts = result.counts
    assert counts["dropped/one sentence"] == counts["label/0"] == counts["label/1"] == 0
    assert counts["tokens"] == counts["text_tokens"] + 2 * counts["instances"]
    for record in result.copies[0]:
        present = tf.train.Example.FromString(record).features.feature
        assert "next_sentence_labels" not in present
        ids = list(present["input_ids"].int64_list.value)
        assert (ids.count(2), ids.count(3)) == (1, 1)
        assert not any(present["segment_ids"].int64_list.value)


def test_lines_that_are_paragraphs_are_cut():
    settings = BuildSettings(max_seq_length=90, split_sentences="en")
    maker = InstanceMaker(VOCAB, settings)
    paragraphs = [[" ".join(DOCUMENTS[0])], ["One is here. Two is.", "Three."]]
    counts = maker(Block(0, 0, paragraphs, 100)).counts
    assert (counts["documents"], counts["sentences"]) == (2, 6)
    assert counts["dropped/one sentence"] == 0
