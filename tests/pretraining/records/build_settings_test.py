import pytest

from albert_tf.errors import InputError
from albert_tf.pretraining.records.build_settings import BuildSettings


def test_number_of_predictions_follows_the_sequence_length():
    assert BuildSettings(max_seq_length=512).max_predictions_per_seq == 77
    static = BuildSettings(128, "original", masked_lm_prob=0.2)
    assert static.max_predictions_per_seq == 26
    assert BuildSettings(record_format="original", max_predictions_per_seq=9).masking.width == 9


def test_number_of_shards_follows_the_text_unless_set():
    assert BuildSettings().for_text(70_000_000, 1000).shards == 3
    assert BuildSettings().for_text(70_000_000, 2).shards == 2
    assert BuildSettings().for_text(5, 1).shards == 1
    assert BuildSettings(shards=7).for_text(5, 1000).shards == 7


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"max_seq_length": 4}, "max_seq_length must be at least 5.*Received 4. Usual"),
        ({"dupe_factor": 0}, "dupe_factor must be at least 1. Received 0"),
        ({"shards": 0}, "shards must be at least 1. Received 0"),
        ({"seed": -1}, "seed must not be negative. Received -1"),
        ({"short_seq_prob": 1.1}, r"short_seq_prob must lie in \[0, 1\]. Received 1.1"),
        ({"single_sentence": "keep"}, "must be one of drop, split. Received 'keep'"),
        ({"masked_lm_prob": 0.0}, r"rate must lie in \(0, 1\). Received 0.0"),
        ({"max_predictions_per_seq": 0}, "max_predictions must be at least 1. Received 0"),
        (
            {"random_next_sentence": True, "sentence_order": False},
            "needs two segments. Received .*=True and sentence_order=False. Leave out one",
        ),
        ({"split_sentences": "English"}, "by its Wikipedia code.*Received 'English'"),
        ({"ngram": 0}, "max_ngram must be at least 1. Received 0"),
        (
            {"record_format": "bert"},
            "record_format must be one of dynamic, original, model_garden. Received 'bert'",
        ),
        (
            {"record_format": "dynamic", "favor_longer_ngram": True},
            "the run that reads them has.*favor_longer=True.*set record_format='original'",
        ),
    ],
)
def test_invalid_settings_are_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        BuildSettings(**arguments)
