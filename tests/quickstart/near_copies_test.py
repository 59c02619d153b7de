import pytest

from albert_tf.quickstart.near_copies import SeenRuns, word_runs

WORDS = [f"word{i}" for i in range(120)]


def runs(begin, end):
    return word_runs([" ".join(WORDS[begin:end]) + "."])


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
