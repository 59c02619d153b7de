from albert_tf.data.near_copies import NearCopies, shingles

WORDS = [f"word{i}" for i in range(120)]


def text(begin, end):
    return [" ".join(WORDS[begin:end]) + "."]


def test_shingles_ignore_case_and_signs_and_sample():
    assert shingles(["One, two three four FIVE six."]) == shingles(
        ["one two (three) four five six"]
    )
    assert shingles(["?!"]) == []
    assert len(shingles(["Short."])) == 1
    assert 15 < len(shingles(text(0, 120))) < 50  # a quarter of 116 runs


def test_copies_within_a_part_and_across():
    copies = NearCopies(max_within=0.5, max_across=0.2)
    assert copies.add("train", shingles(text(0, 60)))
    assert not copies.add("train", shingles(text(0, 60)))
    # A third of it stood before: new enough for its own part, not for the other.
    third = shingles(text(34, 100))
    assert 0.25 < sum(run in shingles(text(0, 60)) for run in third) / len(third) < 0.4
    assert not copies.add("heldout", third)
    assert copies.add("train", third)
    assert copies.add("heldout", shingles(text(100, 120)))
