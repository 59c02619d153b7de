import pytest

from albert_tf.data.documents import check_language, split_sentences
from albert_tf.errors import InputError


@pytest.mark.parametrize(
    "language, text, expected",
    [
        ("en", " One is here. Two is there!\tThree? ", ["One is here.", "Two is there!", "Three?"]),
        ("en", "Dr. Jones met J. Smith. It works.", ["Dr. Jones met J. Smith.", "It works."]),
        ("en", 'He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("en", "Version 3.5 is out", ["Version 3.5 is out"]),
        ("en", " ", []),
        (
            "de",
            "Am 3. Mai kam z. B. Dr. Müller. Er blieb.",
            ["Am 3. Mai kam z. B. Dr. Müller.", "Er blieb."],
        ),
        ("tr", "Prof. Dr. Ali geldi. Işık söndü!", ["Prof. Dr. Ali geldi.", "Işık söndü!"]),
        ("ja", "これは文です。次の文！最後？", ["これは文です。", "次の文！", "最後？"]),
        ("ar", "هذه جملة. هل هذا سؤال؟ نعم!", ["هذه جملة.", "هل هذا سؤال؟", "نعم!"]),
    ],
)
def test_sentences_are_split_by_the_rules_of_the_language(language, text, expected):
    assert split_sentences(text, language) == expected


@pytest.mark.parametrize("code", ["english", "", "EN", "e"])
def test_a_malformed_language_code_is_an_error(code):
    with pytest.raises(InputError, match=rf"such as en, de.*Received '{code}'. Pass the code of"):
        check_language(code)
    check_language("zh-hans")
