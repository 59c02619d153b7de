"""Pairs of the first sentence of a document and the rest."""

import json

from albert_tf.quickstart import docstring_pairs


def test_first_sentences_that_began_another_document_are_left_out(tmp_path):
    documents = {
        "train.txt": [
            ["Return the size.", "It is in bytes.", "Never negative."],
            ["Only one sentence."],
            ["Return the size.", "It is in pages."],
            ["Open a file.", "Names may have é."],
        ],
        "heldout.txt": [["Open a file.", "Read it."], ["Close it.", "Nothing else."]],
    }
    for name, texts in documents.items():
        text = "\n\n".join("\n".join(lines) for lines in texts)
        (tmp_path / name).write_text(text, encoding="utf-8")
    names = {tmp_path / "train.txt": tmp_path / "a.jsonl"}
    names[tmp_path / "heldout.txt"] = tmp_path / "b.jsonl"
    assert docstring_pairs.write(names) == "2 pairs for training and 1 held out"
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert rows == [
        {"text": "Return the size.", "rest": "It is in bytes. Never negative."},
        {"text": "Open a file.", "rest": "Names may have é."},
    ]
    (line,) = (tmp_path / "b.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line) == {"text": "Close it.", "rest": "Nothing else."}
