import json

import pytest

from albert_tf.errors import InputError
from albert_tf.quickstart import package_sentences

SHARED = "This sentence stands in every package of this test."


def packages(root, names, files=6):
    for name in names:
        (root / name).mkdir(parents=True)
        for index in range(files):
            lines = [f"The {name} number {index} opens a box with care.", "", SHARED, "Too short."]
            text = "\n    ".join(lines)
            (root / name / f"m{index}.py").write_text(f'def f():\n    """{text}\n    """\n')
    (root / "single.py").write_text('"""A module of its own is no package at all."""\n')
    return root


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_sentences_are_labelled_with_their_package(tmp_path):
    root = packages(tmp_path / "lib", ["apple", "pear"])
    train, dev = tmp_path / "train.jsonl", tmp_path / "dev.jsonl"
    summary = package_sentences.write(train, dev, packages=2, dev_share=0.34, roots=[root])
    assert summary == "8 sentences for training and 4 held out, from apple, pear"
    both = [*rows(train), *rows(dev)]
    assert all(row["text"].startswith(f"The {row['label']} number") for row in both)
    assert len({row["text"] for row in both}) == 12  # Each from a different file.


def test_the_largest_packages_are_chosen_with_a_limit_per_package(tmp_path):
    root = packages(tmp_path / "lib", ["apple", "pear"])
    packages(tmp_path / "more", ["fig"], files=3)
    train, dev = tmp_path / "train.jsonl", tmp_path / "dev.jsonl"
    roots = [root, tmp_path / "more"]
    package_sentences.write(train, dev, packages=2, per_package=4, dev_share=0.5, roots=roots)
    # The limit of two training sentences per package includes the shared one, which is left out.
    assert [row["label"] for row in rows(train)] == ["apple", "pear"]
    with pytest.raises(InputError, match=r"must be 4 packages.*'apple', 'fig', 'pear'\]"):
        package_sentences.write(train, dev, packages=4, dev_share=0.5, roots=roots)
