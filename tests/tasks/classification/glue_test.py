import pytest

from albert_tf.errors import InputError
from albert_tf.tasks.classification import glue


def test_a_task_has_its_own_dev_files(tmp_path):
    for name in ("train.tsv", "dev_matched.tsv", "dev_mismatched.tsv"):
        (tmp_path / name).write_text("")
    layout = glue.layout("mnli")
    assert [p.name for p in glue.files(tmp_path, layout, True)] == ["train.tsv"]
    assert [p.name for p in glue.files(tmp_path, layout, False)] == [
        "dev_matched.tsv", "dev_mismatched.tsv",
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"existing file.*dev\.tsv"):
        glue.files(tmp_path, glue.layout("rte"), False)


def test_a_submission_has_index_and_prediction():
    assert glue.submission(["entailment", "neutral"]) == (
        "index\tprediction\n0\tentailment\n1\tneutral\n"
    )
    assert glue.submission([2.5, 4.99996]) == "index\tprediction\n0\t2.500\n1\t5.000\n"


def test_an_error_for_an_unknown_task_lists_the_closest():
    with pytest.raises(InputError, match="Unknown GLUE task. Received 'sst'. Closest: .*sst2"):
        glue.layout("sst")
