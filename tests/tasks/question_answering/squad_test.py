import json

import pytest

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.question_answering.squad import Answer, Question, misplaced, read

CONTEXT = "Ada wrote notes. Zoë read them."
PUBLISHED = {
    "version": "v2.0",
    "data": [
        {
            "title": "Ada",
            "paragraphs": [
                {
                    "context": CONTEXT,
                    "qas": [
                        {
                            "id": "q1",
                            "question": "Who read?",
                            "answers": [
                                {"text": "Zoë", "answer_start": 17},
                                {"text": "Zoë read", "answer_start": 17},
                            ],
                            "is_impossible": False,
                        },
                        {
                            "id": "q2",
                            "question": "Who slept?",
                            "answers": [],
                            "plausible_answers": [{"text": "Ada", "answer_start": 0}],
                            "is_impossible": True,
                        },
                    ],
                }
            ],
        }
    ],
}


@pytest.fixture
def published(tmp_path):
    """Returns a function that writes a published file with a changed question or paragraph."""

    def write(question=(), paragraph=()):
        document = json.loads(json.dumps(PUBLISHED))
        first = document["data"][0]["paragraphs"][0]
        first["qas"][0].update(question)
        first.update(paragraph)
        path = tmp_path / "train.json"
        path.write_text(json.dumps(document, indent=1))
        return path

    return write


def test_the_published_layout_is_read(published):
    one, two = read([published()])
    assert (one.id, one.text, one.context) == ("q1", "Who read?", CONTEXT)
    assert one.answers == (Answer("Zoë", 17), Answer("Zoë read", 17)) and not one.impossible
    assert (two.id, two.answers, two.impossible) == ("q2", (), True)
    assert one.origin.endswith("train.json' question 'q1'")


@pytest.mark.parametrize(
    "answers", [[{"text": "Ada", "answer_start": 0}], {"text": ["Ada"], "answer_start": [0]}]
)
def test_files_with_a_question_on_each_line_are_read(tmp_path, answers):
    rows = [
        {"id": "x", "question": "Who?", "context": CONTEXT, "answers": answers},
        {"question": "Who else?", "context": CONTEXT},
        {"id": "z", "question": "Who?", "context": CONTEXT, "answers": type(answers)()},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n\n".join(map(json.dumps, rows)))
    one, two, three = read([path])
    assert (one.id, one.answers) == ("x", (Answer("Ada", 0),))
    assert (two.id, two.text, two.answers, two.impossible) == ("3", "Who else?", (), False)
    assert (three.answers, three.impossible) == ((), True)


def test_a_question_and_a_context_may_be_blank(published):
    one, two = read([published({"question": " "}, {"context": ""})])
    assert (one.text, one.context, two.text) == (" ", "", "Who slept?")


def test_questions_without_ids_in_several_files_get_distinct_ids(tmp_path):
    row = json.dumps({"question": "Who?", "context": CONTEXT})
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(f"{row}\n{row}\n")
    report = RowReport("question")
    questions = read([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], report)
    assert [question.id for question in questions] == ["1", "2", "b.jsonl:1", "b.jsonl:2"]
    assert report.rows == 4 and str(report).startswith(
        "3 question(s) repeat the text of an earlier one: "
    )


@pytest.mark.parametrize(
    ("question", "paragraph", "message"),
    [
        ({"question": 1}, {}, r"^question must be a string. Received 1 at .*question 'q1'"),
        ({}, {"context": None}, r"^context must be a string.*train\.json' question 'q1'"),
        ({"answers": True}, {}, r"^answers must be a list, or .*Received true at .*question 'q1'"),
        ({"id": True}, {}, r"^id must be a string. Received true"),
        ({"id": None}, {}, r"^id must be a string.*null at .*article 0 paragraph 0 question 0"),
        ({"id": "q2"}, {}, r"id must be unique. Received 'q2' at .*train\.json.* and at"),
        ({"is_impossible": "no"}, {}, r"^is_impossible must be true or false.*no"),
        ({"answers": [{"text": ""}]}, {}, r"^an answer's text must be a string.*question 'q1'"),
        ({"answers": [{"text": "a", "answer_start": "0"}]}, {}, r"answer_start must be a number"),
        (
            {"answers": {"text": ["a", "b"], "answer_start": [0]}},
            {},
            r"must be a list of 2 numbers, one for each text. Received \[0\] at .*'q1'",
        ),
        (
            {"answers": {"texts": []}},
            {},
            r"^answers must be a list, or 'text' and 'answer_start' lists",
        ),
        ({}, {"qas": {}}, r"^qas must be a list.*\{\} at .*article 0 paragraph 0"),
    ],
)
def test_an_error_for_a_bad_field_names_its_place(published, question, paragraph, message):
    with pytest.raises(InputError, match=message.replace("' '", '" "')):
        read([published(question, paragraph)])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"id": "x"\n', r"bad\.json', whose line 1 is not valid JSON"),
        (b'{\n "data": [\n  {"paragraphs"', r"bad\.json', whose line 3 is not valid JSON"),
        (b'{\n "version": "1.1"\n}\n', r"bad\.json', whose line 1 is not valid JSON"),
        (b'{"id": "x"}\n{\n', r"bad\.json' line 1"),
        (b'\n\n["x"]\n', r"a question must be an object.*bad\.json' line 3"),
        (b'{"id": ' + b"7" * 5000 + b"}", r"whose line 1 is not valid JSON: Exceeds the limit"),
        (b"[" * 99_999, r"whose line 1 is not valid JSON: it is nested too deeply"),
        (b'{"question": "\\ud800"}', r"whose line 1 is not valid JSON: .*half of a surrogate"),
        (b"\n", r"must not be empty. Received .*bad\.json', which has no questions"),
        (b'{"question": "caf\xe9"}', r"bad\.json', whose line 1 is not: .*iconv"),
    ],
)
def test_an_error_for_a_bad_file_names_its_line(tmp_path, data, message):
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        read([path])


@pytest.mark.parametrize(
    ("answers", "impossible", "reason"),
    [
        ([("Zoë", 17)], False, None),
        ([], True, None),
        (
            [("Zoë", 18)],
            False,
            "'Zoë' does not begin at 18, where the text is 'oë '; it begins at 17",
        ),
        ([("Zoe", 17)], False, "it is not in the context"),
        ([("Ada", -31)], False, "does not begin at -31, where the text is ''; it begins at 0"),
        ([("Zoë", None)], False, "there is no answer_start"),
        ([], False, "there are no answers"),
    ],
)
def test_a_misplaced_answer_is_explained(answers, impossible, reason):
    answers = tuple(Answer(*answer) for answer in answers)
    explanation = misplaced(Question("q", "Who?", CONTEXT, answers, impossible))
    assert explanation is None if reason is None else reason in explanation
