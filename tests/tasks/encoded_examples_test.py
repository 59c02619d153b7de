import numpy as np

from albert_tf.tasks.encoded_examples import EncodedExamples, Ragged

IDS = [[2, 7, 3], [2, 8, 9, 3, 5, 3], [2, 3], [2] * 11]


def test_ragged_rows_are_padded():
    rows = Ragged.from_rows([[4, 5], [], [6]])
    np.testing.assert_array_equal(rows.lengths, [2, 0, 1])
    np.testing.assert_array_equal(
        rows.padded(np.array([2, 0, 1]), 3, -1), [[6, -1, -1], [4, 5, -1], [-1, -1, -1]]
    )


def test_a_batch_has_mask_types_and_labels():
    tags = Ragged.from_rows([[0, 1, 0], [1, 2, 1, 2, 1, 2], [5, 5], [3] * 11])
    labels = {"label": np.array([3, 4, 5, 6], np.int32), "tags": tags}
    examples = EncodedExamples(IDS, [3, 4, 2, 11], labels)
    batch = examples.batch(np.array([1, 0]))
    row = [2, 8, 9, 3, 5, 3, 0, 0]  # as wide as a multiple of 4
    np.testing.assert_array_equal(batch["input_word_ids"], [row, [2, 7, 3, 0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(batch["input_mask"], [[1] * 6 + [0] * 2, [1] * 3 + [0] * 5])
    np.testing.assert_array_equal(batch["input_type_ids"], [[0] * 4 + [1] * 2 + [0] * 2, [0] * 8])
    np.testing.assert_array_equal(batch["tags"][1], [0, 1, 0] + [-1] * 5)
    np.testing.assert_array_equal(batch["label"], [4, 3])
    np.testing.assert_array_equal(batch["example"], [1, 0])
    assert all(value.dtype == np.int32 for value in batch.values())
    assert examples.batch(np.array([3]))["input_word_ids"].shape == (1, 12)
    assert examples.batch(np.array([0]), width=5)["input_mask"].shape == (1, 5)


def test_batches_have_an_axis_for_choices():
    examples = EncodedExamples(IDS, labels={"label": np.array([0, 1])}, choices=2)
    np.testing.assert_array_equal(examples.lengths, [6, 11])
    batch = examples.batch(np.array([1]))
    assert batch["input_word_ids"].shape == (1, 2, 12)
    np.testing.assert_array_equal(batch["input_mask"].sum(-1), [[2, 11]])
    np.testing.assert_array_equal(batch["label"], [1])


def test_batches_have_an_axis_for_windows():
    labels = {"label": np.array([4, 7])}
    examples = EncodedExamples(IDS, [3, 4, 2, 11], labels, windows=[3, 1])
    np.testing.assert_array_equal(examples.lengths, [11, 11])  # The tokens of all windows.
    batch = examples.batch(np.array([1, 0]))
    assert batch["input_word_ids"].shape == (2, 3, 12)
    np.testing.assert_array_equal(batch["input_mask"].sum(-1), [[11, 0, 0], [3, 6, 2]])
    np.testing.assert_array_equal(batch["input_word_ids"][1, 1], [2, 8, 9, 3, 5, 3, *[0] * 6])
    np.testing.assert_array_equal(batch["input_word_ids"][0, 1:], np.zeros([2, 12]))
    np.testing.assert_array_equal(batch["input_type_ids"].sum(-1), [[0, 0, 0], [0, 2, 0]])
    np.testing.assert_array_equal(batch["label"], [7, 4])
    assert examples.batch(np.array([1]))["input_word_ids"].shape == (1, 1, 12)
    assert all(value.dtype == np.int32 for name, value in batch.items() if name != "label")
