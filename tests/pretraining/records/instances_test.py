from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.pretraining.records.blocks import Block
from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.pretraining.records.instances import InstanceMaker
from albert_tf.tokenization import vocabulary
from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.paths import TESTDATA

VOCAB = TESTDATA / "tokenization/spm.model"
DOCUMENTS = [
    ["The first line is here.", "The second one follows it.", "A third comes last."],
    ["\u0301", "Only marks came before this sentence."],
    ["\u0301"],
] * 5

TEXT = {
    "german": [
        "Die größten Häuser der Straße stehen über dem Fluss.",
        "Könnten die Mädchen ihre Fahrräder später abholen?",
        "Der Bäcker verkaufte früher süße Brötchen und Käse.",
        "Während der Prüfung müssen die Schüler ruhig bleiben.",
    ],
    "turkish": [
        "Öğrenciler yarınki sınav için kütüphanede çalışıyorlar.",
        "Komşularımızın bahçesindeki ağaçlar çiçek açmıştı.",
        "Işıklar söndüğünde çocuklar gülüşmeye başladılar.",
        "İstanbul'daki köprülerden geçerken şarkılar söyledik.",
    ],
    "arabic": [
        "يكتب الطلاب دروسهم في المكتبة الكبيرة كل صباح.",
        "ذهبت المعلمة إلى المدرسة ومعها الكتب الجديدة.",
        "تشرق الشمس على البيوت القديمة في المدينة.",
        "سافر أصدقاؤنا إلى البحر ليشاهدوا السفن والأمواج.",
    ],
    "japanese": [
        "昨日の夕方に友達と公園を散歩しました。",
        "図書館で新しい本を借りて家で読みます。",
        "電車が遅れたので会議に間に合いませんでした。",
        "春になると川のそばの桜がきれいに咲きます。",
    ],
}


@pytest.fixture(scope="module")
def languages(tmp_path_factory):
    """A vocabulary trained on all samples that keeps accents and case."""
    lines = [line for text in TEXT.values() for line in text]
    prefix = tmp_path_factory.mktemp("vocab") / "languages"
    preprocessing = Preprocessing(lower_case=False, keep_accents=True)
    return vocabulary.train(lines * 3, prefix, 190, preprocessing, character_coverage=1.0)


@pytest.fixture(scope="module")
def maker():
    settings = BuildSettings(90, "original", dupe_factor=3, short_seq_prob=0.0)
    return InstanceMaker(AlbertTokenizer(VOCAB), settings)


def block(first):
    return Block(shard=0, first=first, documents=DOCUMENTS, text_bytes=700)


def test_every_copy_and_block_makes_different_random_choices(maker):
    one, two = maker(block(0)), maker(block(15))
    assert maker(block(0)) == one
    copies = [*one.copies, *two.copies]
    assert all(len(copy) == 5 for copy in copies)
    assert len({tuple(copy) for copy in copies}) == 6


def test_dropped_documents_are_counted(maker):
    counts = maker(block(0)).counts
    assert counts["documents"] == 15
    assert counts["dropped/one sentence"] == 5  # Normalisation removes the other line.
    assert counts["dropped/fewer than two tokens"] == 5
    assert counts["instances"] == 3 * 5
    assert counts["ngram/1"] + counts["ngram/2"] + counts["ngram/3"] > 0


def test_workers_do_not_send_the_text_back(maker):
    assert maker(block(4)).block == Block(0, 4, [], 700)


def test_without_sentence_order_there_is_one_segment_and_no_label(maker):
    settings = BuildSettings(max_seq_length=21, dupe_factor=1, sentence_order=False)
    result = InstanceMaker(maker.tokenizer, settings)(block(0))
    counts = result.counts
    assert counts["dropped/one sentence"] == counts["label/0"] == counts["label/1"] == 0
    assert counts["tokens"] == counts["text_tokens"] + 2 * counts["instances"]
    for record in result.copies[0]:
        present = tf.train.Example.FromString(record).features.feature
        assert "next_sentence_labels" not in present
        ids = list(present["input_ids"].int64_list.value)
        assert (ids.count(2), ids.count(3)) == (1, 1)
        assert not any(present["segment_ids"].int64_list.value)


def test_paragraphs_are_split_into_sentences(maker):
    settings = BuildSettings(max_seq_length=90, split_sentences="en")
    paragraphs = [[" ".join(DOCUMENTS[0])], ["One is here. Two is.", "Three."]]
    counts = InstanceMaker(maker.tokenizer, settings)(Block(0, 0, paragraphs, 100)).counts
    assert (counts["documents"], counts["sentences"]) == (2, 6)
    assert counts["dropped/one sentence"] == 0


def words_of_instances(vocab, text):
    """Yields each word in the instances of a text as pairs of a piece and whether it is masked."""
    settings = BuildSettings(60, "original", max_predictions_per_seq=15, dupe_factor=40)
    maker = InstanceMaker(AlbertTokenizer(vocab), settings)
    pieces = maker.tokenizer.pieces
    for copy in maker(Block(0, 0, [text], 500)).copies:
        for record in copy:
            present = tf.train.Example.FromString(record).features.feature
            values = {name: list(present[name].int64_list.value) for name in present}
            masked = dict(zip(values["masked_lm_positions"], values["masked_lm_ids"]))
            masked.pop(0, None)  # Unused slots.
            word = []
            for position in range(1, sum(values["input_mask"])):
                piece = pieces[masked.get(position, values["input_ids"][position])]
                if word and piece.startswith(("▁", "[")):
                    yield word
                    word = []
                if not piece.startswith("["):
                    word.append((piece, position in masked))
            yield word


@pytest.mark.parametrize("language", ["german", "turkish", "arabic"])
def test_words_are_masked_as_a_whole(languages, language):
    seen = Counter()
    for word in filter(None, words_of_instances(languages, TEXT[language])):
        # A full stop is a separate unit; a segment that starts within a word begins a unit.
        letters = [masked for piece, masked in word if piece.strip("▁.?'").isalpha()]
        if len(letters) > 1 and word[0][0].startswith("▁") and len(word) - len(letters) <= 1:
            seen[sum(letters) / len(letters)] += 1
    assert set(seen) == {0.0, 1.0}
    assert 0.05 < seen[1.0] / seen.total() < 0.25


def test_scripts_without_spaces_are_masked_piece_by_piece(languages):
    words = list(filter(None, words_of_instances(languages, TEXT["japanese"])))
    masks = [[masked for _, masked in word] for word in words]
    assert 0.1 < sum(map(sum, masks)) / sum(map(len, masks)) < 0.2
    assert np.mean([0 < sum(mask) < len(mask) for mask in masks if len(mask) > 5]) > 0.5
