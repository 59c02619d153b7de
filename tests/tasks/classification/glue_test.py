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
    labels = [{"label": "entailment"}, {"label": "neutral"}]
    assert glue.Submission().text(labels) == "index\tprediction\n0\tentailment\n1\tneutral\n"
    values = [{"value": value} for value in (2.5, 4.99996, -0.7, 5.2)]
    submission = glue.Submission().text(values).splitlines()
    assert submission == ["index\tprediction", "0\t2.500", "1\t5.000", "2\t-0.700", "3\t5.200"]
    clipped = glue.Submission(clip=5.0).text(values).splitlines()
    assert clipped[3:] == ["2\t0.000", "3\t5.000"]


def test_kept_columns_come_before_index_and_prediction():
    answers = [
        {"index": "7", "value": "a\tb\n", "label": "yes"},
        {"index": "8", "value": "", "label": "no"},
    ]
    assert glue.Submission(["index", "value"]).text(answers) == (
        "input.index\tvalue\tindex\tprediction\n7\ta b \t0\tyes\n8\t\t1\tno\n"
    )


def test_an_error_for_an_unknown_task_lists_the_closest():
    with pytest.raises(InputError, match="Unknown GLUE task. Received 'sst'. Closest: .*sst2"):
        glue.layout("sst")
