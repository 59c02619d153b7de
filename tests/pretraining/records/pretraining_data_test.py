import dataclasses
import gzip
import hashlib
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from albert_tf.errors import InputError
from albert_tf.pretraining.records import manifest as manifests
from albert_tf.pretraining.records.build_job import FILES
from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.pretraining.records.pretraining_data import build
from albert_tf.pretraining.records.records import read_arrays
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.pretraining_corpus import CORPUS, VOCAB, digests

CASED = VOCAB.with_name("spm_cased.model")
ORIGINAL = json.loads((CORPUS.with_name("original_stats.json")).read_text())
SMALL = "The first line is here.\nThe second one follows.\nA third.\n\nOne more.\nAnd its end.\n"


@pytest.fixture(scope="module")
def tokenizer():
    return AlbertTokenizer(VOCAB)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """The golden corpus with the golden settings, but with twelve copies, for small errors."""
    directory = tmp_path_factory.mktemp("build") / "many"
    settings = BuildSettings(64, "original", dupe_factor=12, shards=2, seed=3)
    return directory, build(str(CORPUS), VOCAB, directory, settings, workers=2)


def arrays_of(directory):
    files = [a for path in sorted(directory.glob("*.tfrecord")) for a in read_arrays(path, 1000)]
    return {name: np.concatenate([a[name] for a in files]) for name in files[0]}


def error(share, count):
    """Returns four standard errors of a share of `count` draws."""
    return 4 * np.sqrt(share * (1 - share) / count)


class TestAgainstTheOriginal:
    """Error limits consider the draws of both builds; the original has 1997 instances."""

    def test_corpus_counts(self, many):
        counts = many[1]["counts"]
        for name in ("documents", "sentences"):
            assert counts[name] == ORIGINAL["corpus"][name]

    def test_masked_fraction_and_replacements(self, many):
        counts = many[1]["counts"]
        assert counts["instances"] > 10_000
        fraction = counts["masked"] / counts["tokens"]
        assert fraction == pytest.approx(ORIGINAL["mean_masked_fraction"], abs=0.0015)
        for ours, theirs in (("[MASK]", "mask"), ("random", "random"), ("kept", "kept")):
            share = counts[f"masked/{ours}"] / counts["masked"]
            limit = np.hypot(error(share, counts["masked"]), error(share, ORIGINAL["masked_total"]))
            assert abs(share - ORIGINAL["replaced"][theirs]) < limit

    def test_ngram_lengths(self, many):
        counts = many[1]["counts"]
        total = sum(counts[f"ngram/{n}"] for n in (1, 2, 3))
        original = sum(ORIGINAL["ngram_words_accepted"].values())
        for n in (1, 2, 3):
            share = counts[f"ngram/{n}"] / total
            limit = np.hypot(error(share, total), error(share, original))
            assert abs(share - ORIGINAL["ngram_words_accepted_fraction"][str(n)]) < limit

    def test_token_boundaries_equal_the_original(self, tokenizer):
        from albert_tf.pretraining.masking.masking import unit_starts

        path = CORPUS.with_name("original_first_101.tfrecord")
        (arrays,) = read_arrays(path, 1000)
        ids, used = arrays["input_ids"].copy(), arrays["masked_lm_weights"] > 0
        rows, slots = np.nonzero(used)
        ids[rows, arrays["masked_lm_positions"][used]] = arrays["masked_lm_ids"][used]
        starts = unit_starts(tokenizer.pieces, tokenizer.word_starts)[ids]
        expected = arrays["token_boundary"].astype(bool)
        inside = arrays["input_mask"].astype(bool)
        np.testing.assert_array_equal(starts[inside], expected[inside])
        assert 0.5 < expected[inside].mean() < 0.75

    def test_share_of_boundaries(self, many):
        counts = many[1]["counts"]
        share = counts["boundaries"] / counts["tokens"]
        assert share == pytest.approx(ORIGINAL["fraction_token_boundary"], abs=0.01)

    def test_sentence_order_labels_are_balanced_unlike_in_the_original(self, many):
        counts = many[1]["counts"]
        assert abs(counts["label/1"] / counts["instances"] - 0.5) < 0.02
        assert ORIGINAL["sop_labels"]["1"] / ORIGINAL["instances"] > 0.6


def test_instances_are_well_formed_and_from_one_document(many, tokenizer):
    directory, manifest = many
    arrays = arrays_of(directory)
    assert len(arrays["input_ids"]) == manifest["counts"]["instances"]
    text = gzip.decompress(CORPUS.read_bytes()).decode()
    documents = [d.split("\n") for d in text.strip().split("\n\n")]
    joined = [",".join(str(i) for ids in tokenizer.encode_batch(d) for i in ids) for d in documents]
    ids, used = arrays["input_ids"].copy(), arrays["masked_lm_weights"] > 0
    rows, _ = np.nonzero(used)
    ids[rows, arrays["masked_lm_positions"][used]] = arrays["masked_lm_ids"][used]
    for row in range(0, len(ids), 97):
        length = arrays["input_mask"][row].sum()
        kind = arrays["segment_ids"][row][:length]
        a, b = ids[row][:length][kind == 0], ids[row][:length][kind == 1]
        assert (a[0], a[-1], b[-1]) == (tokenizer.cls_id, tokenizer.sep_id, tokenizer.sep_id)
        assert not ids[row][length:].any()
        segments = [",".join(map(str, s)) for s in (a[1:-1].tolist(), b[:-1].tolist())]
        if arrays["next_sentence_labels"][row][0]:
            segments.reverse()
        assert any(
            segments[0] in d and segments[1] in d[d.index(segments[0]) + len(segments[0]) :]
            for d in joined
        )


def test_reruns_more_workers_and_beam_give_the_same_bytes(tmp_path):
    settings = BuildSettings(max_seq_length=48, dupe_factor=2, shards=3, seed=5)
    for name, engine in (
        ("a", {"workers": 1}),
        ("b", {"workers": 1}),
        ("c", {"workers": 2}),
        ("d", {"runner": "DirectRunner", "pipeline_options": ["--direct_num_workers=1"]}),
    ):
        build(str(CORPUS), VOCAB, tmp_path / name, settings, **engine)
    first, *others = (digests(tmp_path / name) for name in "abcd")
    assert len(first) == 3 * 2 + 1
    assert all(other == first for other in others)
    build(str(CORPUS), VOCAB, tmp_path / "e", dataclasses.replace(settings, seed=6))
    records = {digest for name, digest in first.items() if name != manifests.NAME}
    assert not records & set(digests(tmp_path / "e").values())


def test_manifest_describes_the_build(tmp_path):
    (tmp_path / "a.txt").write_text(SMALL)
    settings = BuildSettings(max_seq_length=32, dupe_factor=3, shards=2)
    done = []
    manifest = build(
        str(tmp_path / "*.txt"),
        VOCAB,
        tmp_path / "out",
        settings,
        progress=lambda counts, total: done.append((counts["text_bytes"], total)),
    )
    assert manifest == manifests.read(tmp_path / "out")
    assert manifest["settings"] == settings.to_dict()
    assert manifest["vocabulary"] == {
        "size": 1000,
        "sha256": hashlib.sha256(VOCAB.read_bytes()).hexdigest(),
    }
    assert manifest["preprocessing"]["lower_case"] is True
    assert [file["name"] for file in manifest["input"]] == ["a.txt"]
    assert str(tmp_path) not in (tmp_path / "out" / manifests.NAME).read_text()
    names = {name for shard in manifest["shards"].values() for name in shard["sha256"]}
    assert names == {p.name for p in (tmp_path / "out").glob(FILES)}
    assert len(names) == 6
    assert manifest["counts"] == dict(manifests.total(manifest["shards"].values()))
    total = manifest["input"][0]["text_bytes"]
    assert done == [(0, total), (54, total), (total, total)]


def test_documents_of_one_sentence_are_dropped_or_split(tmp_path):
    (tmp_path / "a.txt").write_text(SMALL + "\nAlone in the document of one sentence.\n")
    for choice, dropped, split in (("drop", 1, 0), ("split", 0, 1)):
        settings = BuildSettings(max_seq_length=32, dupe_factor=1, single_sentence=choice)
        counts = Counter(
            build(str(tmp_path / "a.txt"), VOCAB, tmp_path / choice, settings)["counts"]
        )
        assert counts["dropped/one sentence"] == dropped
        assert counts["one sentence, split"] == split
        assert counts["documents"] == 3
    drop, split = (arrays_of(tmp_path / choice) for choice in ("drop", "split"))
    assert len(split["input_ids"]) > len(drop["input_ids"])


def test_documents_of_one_line_suffice_without_sentence_order(tmp_path):
    (tmp_path / "a.txt").write_text("One line of text.\n\nAnother line.\n")
    for choice in ({"sentence_order": False}, {"random_next_sentence": True}):
        out = tmp_path / next(iter(choice))
        counts = build(
            str(tmp_path / "a.txt"), VOCAB, out, BuildSettings(32, dupe_factor=1, **choice)
        )
        assert counts["counts"]["instances"] == 2
        assert "dropped/one sentence" not in counts["counts"]


def test_overlong_sentences_and_single_words_are_handled(tmp_path):
    long = " ".join(["longer"] * 40)
    text = f"One.\n{long}\n\nword\n\n{long}\n{long}\nEnd.\n"
    (tmp_path / "a.jsonl").write_text(json.dumps({"body": text}) + "\n")
    (tmp_path / "b.txt").write_text(text)
    for pattern, documents, dropped in (("a.jsonl", 1, 0), ("b.txt", 3, 1)):
        settings = BuildSettings(max_seq_length=24, dupe_factor=1, text_field="body")
        out = tmp_path / f"{pattern}.out"
        counts = Counter(build(str(tmp_path / pattern), VOCAB, out, settings)["counts"])
        assert counts["documents"] == documents
        assert counts["sentences/long"] == 3
        assert counts["dropped/one sentence"] == dropped
        assert arrays_of(out)["input_ids"].shape == (counts["instances"], 24)


@pytest.mark.clean_process
def test_memory_use_does_not_grow_with_the_text(tmp_path):
    code = (
        "import sys; import tensorflow as tf;"
        "from albert_tf.pretraining.records.pretraining_data import build;"
        "from albert_tf.pretraining.records.build_settings import BuildSettings as S;"
        # Not ru_maxrss, which starts at the size of the parent process.
        "status = lambda: open('/proc/self/status').read().split();"
        "peak = lambda: int(status()[status().index('VmHWM:') + 1]) / 1024;"
        "a, b, vocab, out = sys.argv[1:];"
        "build(a, vocab, out + '/a', S(max_seq_length=64, dupe_factor=2)); small = peak();"
        "build(b, vocab, out + '/b', S(max_seq_length=64, dupe_factor=2));"
        "print(peak() - small, peak())"
    )
    text = gzip.decompress(CORPUS.read_bytes())
    (tmp_path / "a.txt").write_bytes(text * 2)
    (tmp_path / "b.txt").write_bytes(text * 20)
    paths = [tmp_path / "a.txt", tmp_path / "b.txt", VOCAB, tmp_path]
    out = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True, check=True
    )
    # The second text is 3.7 MB larger; the original would need 170 MB more memory for it.
    growth, whole = map(float, out.stdout.split())
    assert growth < 20
    assert whole < 1024  # MiB, most of which importing TensorFlow takes.


class TestBadInput:
    @pytest.fixture
    def text(self, tmp_path):
        path = tmp_path / "a.txt"
        path.write_text(SMALL)
        return path

    def check(self, tmp_path, message, text, vocab=VOCAB, output="out", **settings):
        with pytest.raises(InputError, match=message):
            build(str(text), vocab, tmp_path / output, BuildSettings(**settings))

    def test_errors_are_raised_before_anything_is_written(self, tmp_path, text):
        empty, single = tmp_path / "empty.txt", tmp_path / "single.txt"
        empty.write_text("")
        single.write_text("One.\n\nTwo.\n\nThree.\n")
        (tmp_path / "binary.txt").write_bytes(b"One.\nTw\x00.\n")
        self.check(tmp_path, r"at least one file.*'.*missing\*'", tmp_path / "missing*")
        self.check(tmp_path, r"must contain text.*empty\.txt", empty)
        self.check(tmp_path, "two sentences.*Received 3 documents of one line.*'split'", single)
        self.check(tmp_path, r"binary\.txt.*line 2", tmp_path / "binary.txt")
        self.check(tmp_path, r"no\.model', which does not exist", text, "no.model")
        self.check(tmp_path, "A WordPiece vocabulary must have one piece on each line", text, text)
        self.check(tmp_path, r"by its Wikipedia code.*Received 'no!'", text, split_sentences="no!")
        self.check(tmp_path, "one document per shard.*shards=3 for 2", text, shards=3)
        assert not (tmp_path / "out").exists()

    def test_text_without_instances_is_an_error(self, tmp_path):
        path = tmp_path / "one.txt"
        path.write_text("One\u0301 sentence alone.\n\n\u0301\n\u0301\n\nAnother alone.\n")
        message = r"must give an instance. Received 3 documents, \{.*one sentence': 2.*'split'"
        self.check(tmp_path, message, path, split_sentences="en")
        assert not manifests.read(tmp_path / "out")["complete"]

    def test_an_output_directory_with_other_files_is_refused_and_unchanged(self, tmp_path, text):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.txt").write_text("mine")
        self.check(tmp_path, "must be new or empty.*has 1 entries", text)
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]

    def test_an_output_directory_inside_a_file_is_an_error(self, tmp_path, text):
        self.check(tmp_path, "must be writable", text, output="a.txt/out")

    def test_other_settings_or_text_in_the_same_directory_are_refused(self, tmp_path, text):
        build(str(text), VOCAB, tmp_path / "out", BuildSettings(max_seq_length=32, dupe_factor=1))
        before = digests(tmp_path / "out")
        message = r"only with the same settings.*differs in settings \(dupe_factor: 1 there, 2 he"
        self.check(tmp_path, message, text, max_seq_length=32, dupe_factor=2)
        message = "differs in vocabulary. Choose another"
        self.check(tmp_path, message, text, CASED, max_seq_length=32, dupe_factor=1)
        text.write_text(SMALL.replace("third", "fifth"))
        self.check(tmp_path, "differs in input. Choose", text, max_seq_length=32, dupe_factor=1)
        assert digests(tmp_path / "out") == before
