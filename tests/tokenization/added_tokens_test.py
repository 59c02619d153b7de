"""Added tokens in Python: ids of transformers 4, flags, folders and their errors."""

import itertools
import json
import pickle
import random
import re
import shutil

import pytest

from albert_tf.errors import InputError
from albert_tf.tokenization.added_tokens import AddedToken, lower_each, with_special
from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.token_matcher import Matcher
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.added_tokens import FOLDERS, SIZE, random_tokenizers, write_folder
from tests.support.paths import TESTDATA

MODEL = TESTDATA / "tokenization" / "spm.model"
UNK = 1


@pytest.fixture
def folder(tmp_path):
    """A Hugging Face folder without added tokens."""
    shutil.copy(MODEL, tmp_path / "spiece.model")
    return tmp_path


def parts(matcher, text):
    """Returns the parts of a text, where each begins, and the ids of those that are tokens."""
    plain, found = matcher.apart(["", text])
    assert plain[:2] == ["", "" if found else text] and found.keys() <= {1}
    plain, place, result = plain[2:] or [text], 0, []
    for between, token in itertools.zip_longest(plain, found.get(1, [])):
        assert text[place : place + len(between)] == between
        result += [(between, place, None)] if between else []
        if token is not None:
            start, place, index = token
            result.append((text[start:place], start, index))
    return result


def with_tokens(*tokens, **arguments):
    return AlbertTokenizer(MODEL, added_tokens=tokens, **arguments)


@pytest.mark.parametrize("name", FOLDERS)
def test_ids_and_texts_are_those_of_transformers(name, tmp_path):
    tokenizer = AlbertTokenizer.from_pretrained(write_folder(name, tmp_path))
    cases = FOLDERS[name]["cases"]
    assert tokenizer.vocab_size == FOLDERS[name]["size"] == len(tokenizer.pieces)
    assert tokenizer.encode_batch([case["text"] for case in cases]) == [c["ids"] for c in cases]
    spans = tokenizer.tokenize_batch_with_offsets([case["text"] for case in cases])
    assert [tokens.ids for tokens in spans] == [case["ids"] for case in cases]
    # transformers drops unknown text where this package writes "⁇".
    known = [case for case in cases if UNK not in case["ids"]]
    assert len(known) > 15 or not tokenizer.preprocessing.lower_case
    for case in known:
        assert tokenizer.decode(case["ids"]) == case["decoded"], case
        assert tokenizer.decode(case["ids"], False) == case["decoded_with_special"], case


def test_random_tokens_and_flags_give_the_ids_of_transformers():
    count = 0
    for tokenizer, texts, ids in random_tokenizers():
        assert tokenizer.encode_batch(texts) == ids
        assert [spans.ids for spans in tokenizer.tokenize_batch_with_offsets(texts)] == ids
        count += sum(max(row, default=0) >= SIZE for row in ids)
    assert count > 200


@pytest.mark.parametrize("rules", ["original", "hugging_face"])
@pytest.mark.parametrize("lower_case", [True, False])
def test_words_are_found_as_by_a_plain_search(rules, lower_case):
    """With many words, a set finds them; here each word of the text is looked at."""
    rng = random.Random(5)
    letters = ["a", "b", "é", "ß", "ि", "1", "_", "A", "É"]
    words = list(
        dict.fromkeys("".join(rng.choices(letters[:7], k=rng.randint(1, 3))) for _ in "a" * 40)
    )
    tokens = [AddedToken(i, word, single_word=True) for i, word in enumerate(words)]
    matcher = Matcher(tokens, lower_case, rules)
    found = 0
    for _ in range(300):
        text = "".join(rng.choices([*letters, *"        ", ",", "\n", "İ", *words], k=12))
        expected, place = [], 0
        for run in re.split(r"([\wि]+)", text):
            begin, place = place, place + len(run)
            key = lower_each(run) if lower_case else run
            around = {text[begin - 1 : begin], text[place : place + 1]}
            alone = rules == "original" or around <= {"", " "}
            if key in words and len(key) == len(run) and alone:
                expected.append((begin, place, words.index(key)))
        assert matcher.find([text]).get(0, []) == expected, text
        found += len(expected)
    assert found > 50


def test_offsets_are_those_of_the_text():
    tokens = AddedToken(SIZE, "<e1>", special=True), AddedToken(SIZE + 1, "New Tok")
    for rules in ("original", "hugging_face"):
        tokenizer = with_tokens(*tokens, rules=rules)
        text = " ½é<E1>New Tok,new tok"
        spans = tokenizer.tokenize_with_offsets(text)
        found = [(text[a:b], w) for i, a, b, w in zip(*spans[:1], *spans[2:]) if i >= SIZE]
        assert found == [("<E1>", 0), ("New Tok", 0)]
        assert tokenizer.word_starts[[SIZE, SIZE + 1]].all()
        assert tokenizer.ids_to_pieces([SIZE + 1]) == ["New Tok"]
        assert tokenizer.pieces_to_ids(["New Tok", "▁the"]) == [
            SIZE + 1,
            tokenizer.encode("the")[0],
        ]


@pytest.mark.parametrize(
    "text, lower, expected",
    [
        (
            "a[MASK] <UNK>",
            True,
            [("a", 0, None), ("[MASK]", 1, 4), (" ", 7, None), ("<UNK>", 8, 1)],
        ),
        ("<UNK>", False, [("<UNK>", 0, None)]),
        ("<unk>[mask]", False, [("<unk>", 0, 1), ("[mask]", 5, None)]),
        ("", True, []),
    ],
)
def test_text_is_split_at_special_pieces(text, lower, expected):
    assert parts(Matcher(with_special([]), lower), text) == expected


def test_a_single_word_is_a_token_between_spaces_only():
    matcher = Matcher([AddedToken(70, "ab", single_word=True), AddedToken(71, "x")], False)
    found = {
        text: [part for part, _, index in parts(matcher, text) if index == 70]
        for text in ("ab", "ab ab", "abc", "cab", "ab.", "\nab", "xab", "abx", "abab")
    }
    assert found == {text: [] for text in found} | {"ab": ["ab"], "ab ab": ["ab", "ab"]}
    assert parts(matcher, "cabx") == [("cab", 0, None), ("x", 3, 71)]


def test_tokens_that_no_text_can_match_change_nothing():
    token = AddedToken(SIZE, "<E2>", normalized=False)
    tokenizer, plain = with_tokens(token), AlbertTokenizer(MODEL)
    assert tokenizer.vocab_size == SIZE + 1 and tokenizer.matcher is None
    assert tokenizer.encode("the <E2> <e2>") == plain.encode("the <E2> <e2>")


def test_under_the_original_rules_punctuation_ends_a_word():
    words = ["ab", "é", "covid-19", "c++", "हिंदी"]
    tokens = [AddedToken(i, word, single_word=True) for i, word in enumerate(words)]
    matcher = Matcher(tokens, True, "original")
    found = {
        text: [part for part, _, index in parts(matcher, text) if index is not None]
        for text in (
            "(AB), ab.",
            "abé éab é",
            "covid-19,covid-190",
            "c++;xc++",
            "हिंदी। हिंदीय",
            "ab_ 1ab",
        )
    }
    assert list(found.values()) == [
        ["AB", "ab"], ["é"], ["covid-19"], ["c++"], ["हिंदी"], [],
    ]  # fmt: skip


def test_the_longest_token_wins_and_upper_case_wins_over_any_case():
    """The expected tokens are those of transformers 4.57.6."""
    tokens = [AddedToken(i, name) for i, name in enumerate(["ab", "abc", "abcd e"])]
    matcher = Matcher([*tokens, AddedToken(3, "AB", special=True)], True)
    found = matcher.find(["abcd e ABCD E abd AB Ab", "ABc abC"])
    assert [index for *_, index in found[0]] == [2, 3, 0, 3, 0]
    assert [index for *_, index in found[1]] == [3, 1]
    tokens = [AddedToken(0, "É", special=True), AddedToken(1, "éa", special=True)]
    found = Matcher(tokens, True).find(["ÉA éA éa"])[0]
    assert [index for *_, index in found] == [0, 1, 1]


def test_settings_travel_and_pickle(tmp_path):
    token = AddedToken(SIZE, "<e1>", special=True, rstrip=True)
    tokenizer = with_tokens(token, lower_case=False)
    text = "the <e1>of"
    expected = tokenizer.encode(text)
    assert SIZE in expected
    assert pickle.loads(pickle.dumps(tokenizer)).encode(text) == expected
    again = AlbertTokenizer.from_pretrained(tokenizer.save(tmp_path).parent)
    assert again.preprocessing == tokenizer.preprocessing
    assert again.encode(text) == expected
    assert again.decode(expected) == "the of"
    assert "added_tokens" not in Preprocessing().to_dict()
    with pytest.raises(InputError, match="preprocessed the same way"):
        AlbertTokenizer(tmp_path / MODEL.name, added_tokens=[])


@pytest.mark.parametrize(
    "tokens, message",
    [
        ([(SIZE + 1, "x1")], f"without gaps. Received 'x1' with the id {SIZE + 1} .* id is {SIZE}"),
        ([(7, "x1")], "ids of their own, after those .* Received 'x1' with the id 7 .*that id is"),
        ([(SIZE, "▁the")], "must not have the same text. Received '▁the' .* the id of the piece"),
        ([(SIZE, "[MASK]")], "must not have the same text. Received .* it is the piece 4"),
        ([(SIZE, "a"), (SIZE, "b")], "differ in id and in text. Received 'a' with the id"),
        ([(SIZE, "a"), (SIZE + 1, "a")], "differ in id and in text. Received 'a' with the id"),
        ([(SIZE, "")], "text of one or more characters, .* Received '' with the id"),
        ([(SIZE, "a\0")], "without NUL"),
        ([(SIZE, "\ud800")], "without NUL and surrogates"),
        ([(True, "a")], "must be an integer from 0. Received True for 'a'"),
        ([(-1, "a")], "must be an integer from 0. Received -1"),
        ([(10**20, "a")], "must be an integer from 0. Received 1000"),
    ],
)
def test_tokens_that_do_not_extend_the_pieces_are_refused(tokens, message):
    values = [{"id": index, "content": content} for index, content in tokens]
    with pytest.raises(InputError, match=message):
        AlbertTokenizer(MODEL, added_tokens=values)


@pytest.mark.parametrize(
    "value, message",
    [
        ("x", "added_tokens must be a list of objects. Received 'x'"),
        ([["x"]], r"an object with an id and a content. Received \['x'\]"),
        ([{"id": 3}], "an object with an id and a content"),
        ([{"id": SIZE, "content": "a", "strip": True}], "Received 'strip' for 'a'. .*lstrip"),
        ([{"id": SIZE, "content": "a", "special": 1}], "special of an added token must be true"),
        ([{"id": SIZE, "content": 5}], "must be text .* Received 5"),
    ],
)
def test_a_settings_file_with_damaged_tokens_is_one_error(value, message, tmp_path):
    path = tmp_path / "preprocess.json"
    path.write_text(json.dumps({"added_tokens": value}))
    with pytest.raises(InputError, match=message):
        Preprocessing.from_json_file(path)


@pytest.mark.parametrize(
    "file, values, message",
    [
        ("tokenizer_config", {"added_tokens_decoder": [1]}, r"ids as keys. Received \[1\]"),
        ("tokenizer_config", {"added_tokens_decoder": {"x": {}}}, "ids as keys"),
        ("tokenizer_config", {"added_tokens_decoder": {"9": "a"}}, "Received 'a' in the tokenizer"),
        ("tokenizer_config", {"added_tokens_decoder": {"4": {"content": "[M]"}}}, "is '.MASK.'"),
        (
            "tokenizer_config",
            {"additional_special_tokens": "<e>"},
            "must be a list. Received '<e>'",
        ),
        ("tokenizer_config", {"bos_token": 5}, "with its content. Received 5"),
        ("special_tokens_map", {"mask_token": ["a"]}, r"with its content. Received \['a'\]"),
        ("added_tokens", {"<e>": "1000"}, "an integer from 0. Received '1000' for '<e>'"),
        ("added_tokens", {"<e>": SIZE + 8}, "without gaps"),
        ("added_tokens", {"": SIZE}, "one or more characters"),
        ("tokenizer", {"added_tokens": [5]}, r"a list of objects with ids. Received \[5\]"),
    ],
)
def test_damaged_tokenizer_files_are_one_error(file, values, message, folder):
    (folder / f"{file}.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match=message):
        AlbertTokenizer.from_pretrained(folder)


def test_files_that_disagree_are_refused(folder):
    decoder = {str(SIZE): {"content": "<e1>"}, "4": {"content": "[MASK]", "lstrip": True}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": decoder}))
    (folder / "added_tokens.json").write_text(json.dumps({"<e1>": SIZE, "<e2>": SIZE + 1}))
    added = AlbertTokenizer.from_pretrained(folder).added_tokens
    assert [(i, t.content) for i, t in added.items()] == [(SIZE, "<e1>"), (SIZE + 1, "<e2>")]
    (folder / "added_tokens.json").write_text(json.dumps({"<e1>": SIZE + 1}))
    with pytest.raises(InputError, match="differ in id and in text"):
        AlbertTokenizer.from_pretrained(folder)


def test_a_folder_of_the_fast_tokenizer_has_them_in_tokenizer_json(folder):
    listed = [{"id": 4, "content": "[MASK]", "special": True}]
    listed += [{"id": SIZE, "content": "<e1>", "special": True, "normalized": False}]
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": listed, "model": {}}))
    tokenizer = AlbertTokenizer.from_pretrained(folder)
    assert tokenizer.encode("<e1>the") == [SIZE, *tokenizer.encode("the")]


def test_thousands_of_tokens_may_begin_with_one_another():
    tokens = [AddedToken(i, "a" + "b" * i) for i in range(3000)]
    matcher = Matcher([*tokens, AddedToken(3000, "AbX")], True)
    texts = ["xA" + "bB" * n + "ya" for n in (0, 17, 1499, 1500)]
    assert matcher.find([*texts, "abx AbX"]) == {
        0: [(1, 2, 0), (3, 4, 0)],
        1: [(1, 36, 34), (37, 38, 0)],
        2: [(1, 3000, 2998), (3001, 3002, 0)],
        3: [(1, 3001, 2999), (3003, 3004, 0)],
        4: [(0, 2, 1), (4, 7, 3000)],
    }


def test_words_with_signs_hide_the_words_in_them():
    """As in transformers 5: the longest token is taken first, and then refused."""
    tokens = [AddedToken(i, word, single_word=True) for i, word in enumerate(["ab", "ab-c"])]
    matcher = Matcher(tokens, True, "original")
    assert matcher.find(["ab-cd ab-d (AB-C)", "ab"]) == {
        0: [(6, 8, 0), (12, 16, 1)],
        1: [(0, 2, 0)],
    }
