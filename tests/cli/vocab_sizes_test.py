"""`albert-tf vocab --sizes`: figures of held-out text, and samples of six scripts."""

import functools
import random
import re

import pytest

from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.commands import status

run = functools.partial(status, "vocab")
# Written for this test: subjects and verbs that are combined to short lines.
SCRIPTS = {
    "latin": (["Der süße Bär", "Die große Straße", "Ein müder Vogel"], ["läuft über", "sieht"]),
    "cyrillic": (["Старый дом", "Белая кошка", "Новый город"], ["стоит у реки", "видит"]),
    "greek": (["Ο παλιός δρόμος", "Η μικρή πόλη", "Το πλοίο"], ["είναι κοντά", "βλέπει"]),
    "arabic": (["البيت القديم", "الكتاب الجديد", "الطريق"], ["قريب من", "يُرى"]),
    "devanagari": (["पुराना घर", "नई किताब", "छोटी नदी"], ["पास में है", "देखती है"]),
    "japanese": (["古い家は", "新しい本は", "小さな川は"], ["近くにある。", "見える。"]),
}


def lines(script, count=400):
    """Lines of the sample, with words that are joined at random so that pieces repeat."""
    subjects, verbs = SCRIPTS[script]
    words = " ".join([*subjects, *verbs]).split()
    rng = random.Random(7)
    return [
        " ".join([rng.choice(subjects), rng.choice(verbs), "".join(rng.choices(words, k=2))])
        for _ in range(count)
    ]


def rows(out):
    """The figures of the table by vocabulary."""
    found = re.findall(r"^(\S+)\.model +(\d+) +([\d.]+)% +([\d.]+) +([\d.]+)$", out, re.MULTILINE)
    return {name: [float(value) for value in values] for name, *values in found}


@pytest.mark.parametrize("script", SCRIPTS)
def test_sizes_are_compared_on_held_out_lines(script, tmp_path, capsys):
    text = lines(script)
    text[19] += " Q"  # in a line that is held out
    (tmp_path / "a.txt").write_text("\n".join(text) + "\n", encoding="utf-8")
    flags = ("--cased", "--keep_accents", "--character_coverage", 1.0)
    arguments = ("--input", tmp_path / "a.txt", "--output", tmp_path / "v", *flags, "--sizes")
    assert run(*arguments, "5000") == 2
    large = int(re.search(r"at most (\d+)", capsys.readouterr().err).group(1))
    small = large - 3
    assert run(*arguments, f"{small},{large}") == 0
    table = rows(capsys.readouterr().out)
    held_out = text[19::20]
    assert list(table) == [f"v-{small}", f"v-{large}"]
    for name, (pieces, unknown, per_word, size) in table.items():
        tokenizer = AlbertTokenizer(tmp_path / f"{name}.model")
        assert pieces == tokenizer.vocab_size == int(name[2:])
        ids = [i for row in tokenizer.encode_batch(held_out) for i in row]
        assert unknown == pytest.approx(100 / len(ids), abs=1e-4) and unknown > 0
        words = sum(len(line.split()) for line in held_out)
        assert per_word == pytest.approx(len(ids) / words, abs=1e-3)
        bytes_ = sum(len(line.encode()) for line in held_out)
        assert size == pytest.approx(bytes_ / len(ids), abs=1e-3)
        # The text is kept: marks, vowel signs, accents and case.
        line = lines(script)[0]
        assert tokenizer.decode(tokenizer.encode(line)) == line
    assert (
        table[f"v-{large}"][2] < table[f"v-{small}"][2]
        and table[f"v-{large}"][3] > table[f"v-{small}"][3]
    )


def test_held_out_files_are_not_trained_on(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("\n".join(lines("latin")), encoding="utf-8")
    (tmp_path / "b.txt").write_text("\n".join(lines("greek")), encoding="utf-8")
    arguments = ("--input", tmp_path / "a.txt", "--output", tmp_path / "v", "--sizes", "50")
    assert run(*arguments, "--heldout", tmp_path / "b.txt") == 0
    out = capsys.readouterr().out
    assert rows(out)["v-50"][1] > 30 and "400 lines in 1 files" in out
    assert run(*arguments, "--heldout", tmp_path / "a.txt") == 2  # the files exist
    assert "v-50.model' exists" in capsys.readouterr().err
    assert run(*arguments, "--heldout", tmp_path / "a.txt", "--overwrite") == 0
    assert rows(capsys.readouterr().out)["v-50"][1] == 0


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--sizes", "50,x"], "Received 'x'"),
        (["--sizes", ""], "Received ''"),
        (["--sizes", "50,12"], "larger than the 13 pieces that every vocabulary has. Received 12"),
        (["--sizes", "50,50"], "--sizes must differ. Received '50,50'"),
        (["--sizes", "50,90000"], "not exceed what the text supports"),
        (["--heldout", "a.txt"], "Received --heldout without --sizes"),
        (["--sizes", "50", "--heldout", "none*"], "must match at least one file"),
        (["--sizes", "50", "--heldout", "blank.txt"], "Received no words"),
    ],
)
def test_invalid_sizes_and_held_out_text_are_one_error(
    flags, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("\n".join(lines("latin")), encoding="utf-8")
    (tmp_path / "blank.txt").write_text("\n \n")
    assert run("--input", "a.txt", "--output", "v", *flags) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
