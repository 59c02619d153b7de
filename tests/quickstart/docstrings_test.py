import random
import zlib

import pytest

from albert_tf.errors import InputError
from albert_tf.quickstart.docstrings import (
    SeenRuns,
    docstrings,
    source_files,
    word_runs,
    write_corpus,
)

NAMES = ["amber", "birch", "cedar", "delta", "ember", "frost", "grove", "heron", "ivory", "kelp"]
WORDS = [a + b for a in ("sun", "rain", "wind", "snow", "fog") for b in ("fall", "rise", "drift")]


def sentence(rng):
    return f"The {' '.join(rng.choices(WORDS, k=12))}."


def module(i):
    """Returns a module that mentions its name and has documents of two, two and one sentences."""
    rng = random.Random(i)
    return f'''"""The module {NAMES[i]} of {sentence(rng)}

{sentence(rng)}
"""


class Thing:
    """The class of {NAMES[i]} and {sentence(rng)}  {sentence(rng)}"""

    def one(self):
        """Only {sentence(rng)}"""
'''


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "site"
    (root / "package" / "tests").mkdir(parents=True)
    for i, name in enumerate(NAMES):
        (root / "package" / f"{name}.py").write_text(module(i))
    (root / "package" / "copy.py").write_text(module(2))
    (root / "package" / "broken.py").write_text('"""Never ends.')
    (root / "package" / "tests" / "some.py").write_text(module(1))
    (root / "package" / "thing_test.py").write_text(module(1))
    return root


def test_source_files_exclude_tests_and_have_a_fixed_order(root):
    names = [name for name, _ in source_files([root])]
    expected = {f"package/{n}.py" for n in [*NAMES, "copy", "broken"]}
    assert set(names) == expected
    assert names != sorted(names)
    assert names == [name for name, _ in source_files([root])]


def test_docstrings_are_read_without_importing_the_source(tmp_path):
    path = tmp_path / "m.py"
    path.write_text(
        '"""M."""\nraise SystemExit\nif True:\n  class C:\n    """C."""\n    async def f(self):\n'
        '      """F."""\n      x = """not one"""\ntry:\n  pass\n'
        'except E:\n  def g():\n    """G."""\n'
    )
    assert docstrings(path) == ["M.", "C.", "F.", "G."]
    path.write_text('"""Broken')
    assert docstrings(path) == []


def read(path):
    return [d.split("\n") for d in path.read_text().strip().split("\n\n")]


def test_write_corpus_splits_by_file_and_drops_copies(root, tmp_path):
    train, heldout = tmp_path / "train.txt", tmp_path / "heldout.txt"
    counts = write_corpus(train, heldout, heldout_fraction=0.3, roots=[root], workers=1)
    parts = {"train": read(train), "heldout": read(heldout)}
    for part, path in (("train", train), ("heldout", heldout)):
        assert counts.documents[part] == len(parts[part])
        assert counts.sentences[part] == sum(map(len, parts[part]))
        assert counts.bytes[part] == path.stat().st_size
    # Each module has two documents of two sentences; the copied module counts once.
    assert counts.files == len(NAMES) + 2
    assert counts.documents.total() == 2 * len(NAMES)
    assert (counts.near_copies, counts.too_short) == (3, len(NAMES))
    owners = {
        part: {name for name in NAMES if any(f" {name} " in d[0] for d in documents)}
        for part, documents in parts.items()
    }
    assert not owners["train"] & owners["heldout"]
    assert len(owners["train"] | owners["heldout"]) == len(NAMES)
    seen = {run for document in parts["train"] for run in word_runs(document)}
    for document in parts["heldout"]:
        runs = word_runs(document)
        assert sum(run in seen for run in runs) <= 0.2 * len(runs)


def test_heldout_text_contained_in_training_text_is_dropped(tmp_path):
    rng = random.Random(3)
    shared, own, new = ([sentence(rng) for _ in range(n)] for n in (2, 8, 2))
    root = tmp_path / "site"
    root.mkdir()
    names = [f"m{i}.py" for i in range(40)]
    held = [name for name in names if zlib.crc32(name.encode()) < 0.3 * 2**32]
    train = next(name for name in names if name not in held)
    for name, document in ((held[0], shared), (held[1], new), (train, own[:4] + shared + own[4:])):
        (root / name).write_text(f'"""{"  ".join(document)}"""')
    paths = tmp_path / "train.txt", tmp_path / "heldout.txt"
    counts = write_corpus(*paths, heldout_fraction=0.3, roots=[root], workers=1)
    assert [read(path) for path in paths] == [[own[:4] + shared + own[4:]], [new]]
    assert counts.near_copies == 1


def test_text_does_not_depend_on_the_number_of_workers_or_a_size_limit(root, tmp_path):
    texts = []
    for i, workers in enumerate((1, 2)):
        paths = [tmp_path / f"{part}{i}" for part in ("train", "heldout")]
        write_corpus(*paths, heldout_fraction=0.3, roots=[root], workers=workers)
        texts.append([path.read_bytes() for path in paths])
    assert texts[0] == texts[1]
    paths = [tmp_path / f"{part}-capped" for part in ("train", "heldout")]
    write_corpus(*paths, max_bytes=1500, heldout_fraction=0.3, roots=[root], workers=1)
    capped = [path.read_bytes() for path in paths]
    assert 1500 * 0.7 <= len(capped[0]) < len(texts[0][0])
    assert all(whole.startswith(part) for whole, part in zip(texts[0], capped))


def test_errors_leave_existing_files_unchanged(root, tmp_path):
    train, heldout = tmp_path / "train.txt", tmp_path / "heldout.txt"
    train.write_text("old")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"heldout_fraction must lie in \(0, 1\). Received 1.5"):
        write_corpus(train, heldout, heldout_fraction=1.5, roots=[root])
    with pytest.raises(InputError, match="max_bytes must be at least 1. Received 0"):
        write_corpus(train, heldout, max_bytes=0, roots=[root])
    with pytest.raises(InputError, match=r"Received 0 training and 0 held-out.*--input"):
        write_corpus(train, heldout, roots=[empty], workers=1)
    assert train.read_text() == "old"
    assert not heldout.exists()


NUMBERED_WORDS = [f"word{i}" for i in range(120)]


def runs(begin, end):
    return word_runs([" ".join(NUMBERED_WORDS[begin:end]) + "."])


def test_word_runs_ignore_case_and_punctuation():
    assert word_runs(["One, two three", "four FIVE six."]) == word_runs(
        ["one two (three) four five six"]
    )
    assert word_runs(["?!"]) == []
    assert len(word_runs(["Short."])) == 1
    assert len(runs(0, 120)) == 116
    assert set(runs(10, 30)) < set(runs(0, 120))


def test_share_of_seen_runs():
    seen = SeenRuns()
    assert seen.share(runs(0, 60)) == 0.0
    seen.add(runs(0, 60))
    assert seen.share(runs(0, 60)) == 1.0
    # 60 runs, of which those that begin at words 40 to 55 have been seen before.
    assert seen.share(runs(40, 104)) == pytest.approx(16 / 60)
    assert seen.share([]) == 0.0
