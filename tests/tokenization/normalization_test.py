import random
import re
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from albert_tf.tokenization import combining_marks
from albert_tf.tokenization.normalization import align, normalize
from albert_tf.tokenization.settings import RULES, Preprocessing

LOWER, CASED = Preprocessing(), Preprocessing(lower_case=False)
HF = Preprocessing(rules="hugging_face")


def test_golden_cases_of_the_original(cases):
    wrong = [
        case["text"]
        for case in cases
        for name, rules in (("orig_lower", LOWER), ("orig_cased", CASED))
        if normalize(case["text"], rules) != case["preprocessed"][name]
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text, rules, expected",
    [
        (" a\x0b\u2003b\t\n ", LOWER, "a b"),
        ("Éé", LOWER, "ee"),
        ("Éé", Preprocessing(keep_accents=True), unicodedata.normalize("NFD", "éé")),
        ("Éé", Preprocessing(keep_accents=True, rules="hugging_face"), "éé"),
        ("में", LOWER, "में"),  # A vowel sign of category Mn, but of class 0.
        ("ΟΔΟΣ", LOWER, "οδος"),
        ("ΟΔΟΣ", HF, "οδοσ"),
        ("``a''", LOWER, "``a''"),
        ("```a'''", HF, '"`a"\''),
        ("a\ud800b", LOWER, "a\ufffdb"),
    ],
)
def test_text_is_normalised_by_the_rules(text, rules, expected):
    assert normalize(text, rules) == expected
    assert align(text, rules).text == expected


def test_align_maps_characters_to_their_source():
    aligned = align("  E\u0301 \t ½", LOWER)
    assert aligned.text == "e 1\u20442"
    assert aligned.starts == [2, 4, 7, 7, 7]
    assert aligned.ends == [4, 7, 8, 8, 8]


def test_align_treats_ascii_like_other_text():
    text = " \t The `` QUICK''\x1c\r\nfox, 1,000 "
    for rules in RULES:
        for lower in (True, False):
            settings_ = Preprocessing(lower, False, rules)
            plain, other = align(text, settings_), align(f"{text}é", settings_)
            assert [values[: len(plain.text)] for values in other] == [*plain], rules


def test_align_joins_quotes():
    aligned = align("a''' ``", HF)
    assert aligned == ('a"\' "', [0, 1, 3, 4, 5], [1, 3, 4, 5, 7])


ODD = st.sampled_from(" \t\u00a0`'´ÉéİΣ\u0301\u0323\u0345q½ﬁ한में\x00\ud800")


@settings(derandomize=True, max_examples=300)
@given(
    text=st.text(st.one_of(ODD, st.characters())),
    lower=st.booleans(),
    keep=st.booleans(),
    rules=st.sampled_from(RULES),
)
def test_align_gives_the_text_of_normalize(text, lower, keep, rules):
    rules = Preprocessing(lower, keep, rules)
    aligned = align(text, rules)
    assert aligned.text == normalize(text, rules)
    assert len(aligned.starts) == len(aligned.ends) == len(aligned.text)
    assert all(0 <= a < b <= len(text) for a, b in zip(aligned.starts, aligned.ends))


# Those of Unicode 14, which the rules drop in every version of Python.
MARKS = re.findall(
    combining_marks.PYTHON_PATTERN,
    "".join(chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000),
)
MARKS += "\u0f73\u0f75\u0f81\uff9e\uff9f"  # These become marks.


@pytest.mark.parametrize("keep", [False, True])
def test_long_runs_of_marks_are_ordered_as_by_unicodedata(keep):
    rng = random.Random(5)
    for _ in range(100):
        runs = (rng.choice("aé\ufdfaﬁ각") + "".join(rng.choices(MARKS, k=rng.choice([2, 99, 300])))
                for _ in range(9))  # fmt: skip
        text = "a" * 999 + "".join(runs)
        expected = unicodedata.normalize("NFKD", text).lower()
        if not keep:
            expected = "".join(c for c in expected if not unicodedata.combining(c))
        assert normalize(text, Preprocessing(keep_accents=keep)) == expected


@pytest.mark.parametrize(
    "unit", ["\u0301\u0316", "a\u0f73\u0f73", "\uff9e\u0316", "\ufdfa", "Σ\u0301"]
)
@pytest.mark.parametrize("keep", [False, True])
def test_time_is_linear_in_the_length_of_the_text(unit, keep):
    start = time.process_time()
    normalize(unit * 60_000, Preprocessing(keep_accents=keep))
    assert time.process_time() - start < 1
