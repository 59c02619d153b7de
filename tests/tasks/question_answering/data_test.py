import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.question_answering.data import prepare, well_placed
from albert_tf.tasks.question_answering.span_windows import SpanWindowSettings, token_span
from albert_tf.tasks.question_answering.squad import Answer, Question

CONTEXT = "Zoë Łukasz opened the café in 1912, a tower of 1,000, bricks."
NARROW = SpanWindowSettings(seq_length=24, doc_stride=3, max_query_length=6)


def question(name, answer, start=None, context=CONTEXT, text="who?"):
    start = context.index(answer) if start is None else start
    return Question(name, text, context, (Answer(answer, start),), origin=f"'f.json' {name}")


def answers(prepared):
    """Returns the answer texts of the windows that have an answer."""
    return {
        prepared.question.context[
            window.starts[window.start_positions - window.context_begin] : window.ends[
                window.end_positions - window.context_begin
            ]
        ]
        for window in prepared.windows
        if not window.impossible
    }


@pytest.mark.parametrize("answer", ["Zoë Łukasz", "café", "1912", "1,000", "bricks"])
def test_windows_contain_the_answer(spm, answer):
    report = RowReport("question")
    (prepared,) = prepare([question("a", answer)], spm, NARROW, report, is_training=True)
    assert len(prepared.windows) > 3 and answers(prepared) == {answer}
    assert str(report) == ""


# Letters whose number changes in normalisation, marks, wide characters and white space.
ODD = st.sampled_from(
    " \t\u00a0\u200b\u200d`'´ÉéİΣß\u0301\u0323\u0345q½ﬁ한에1,0,000,(-東京😀🏽\u0e33\ufeff"
)
TEXT = st.text(st.one_of(ODD, st.characters(exclude_categories=("Cs",))), min_size=1, max_size=60)


def vanishes(text, spm):
    return not token_span(spm.tokenize_with_offsets(text), 0, len(text))


def test_every_answer_is_recovered_from_its_windows(spm):
    """An answer of whole tokens is recovered exactly; others are extended to whole tokens."""
    seen = {"exact": 0, "cut": 0, "vanished": 0}

    @settings(derandomize=True, max_examples=400, deadline=None)
    @given(TEXT, st.data())
    def run(context, data):
        if not context.strip():
            return
        begin = data.draw(st.integers(0, len(context) - 1))
        end = data.draw(st.integers(begin + 1, len(context)))
        spans = spm.tokenize_with_offsets(context)
        report = RowReport("question")
        asked = question("a", context[begin:end], begin, context)
        prepared = list(prepare([asked], spm, NARROW, report, is_training=True))
        if not prepared:
            # Normalisation removes the whole answer, which is reported.
            assert "remains after normalisation: 'f.json' a" in str(report)
            assert token_span(spans, begin, end) is None
            seen["vanished"] += 1
            return
        texts = answers(prepared[0])
        if not texts:
            assert "no window contains the whole answer: 'f.json' a" in str(report)
            return
        (text,) = texts  # Every window that contains the answer gives the same text.
        first, last = token_span(spans, begin, end)
        left, right = spans.starts[first], spans.ends[last]
        assert text == context[left:right]
        if begin <= left and right <= end:
            # White space and dropped characters at its ends are not part of any token.
            assert vanishes(context[begin:left], spm) and vanishes(context[right:end], spm)
            seen["exact"] += text == context[begin:end]
        else:
            seen["cut"] += 1

    run()
    assert seen["exact"] > 50 and seen["cut"] > 50 and seen["vanished"] > 2, seen


def test_every_skipped_or_cut_question_is_reported(spm):
    context = "a \u0301 b c d e f g h i j k l m n o p q"
    questions = [
        question("fine", "b", context=context),
        question("mark", "\u0301 ", 2, context),
        question("wide", context, context=context),
        question("long", "b", context=context, text="what is b in this long question?"),
    ]
    report = RowReport("question")
    prepared = list(prepare(questions, spm, NARROW, report, is_training=True))
    assert [p.question.id for p in prepared] == ["fine", "wide", "long"]
    assert str(report).splitlines() == [
        "1 question(s) left out: nothing of the answer remains after normalisation: 'f.json' mark",
        "1 question(s) trained as unanswerable because no window contains the whole answer: "
        "'f.json' wide",
        "1 question(s) cut to max_query_length: 'f.json' long",
    ]
    # In evaluation no question is left out.
    report = RowReport("question")
    prepared = list(prepare(questions, spm, NARROW, report, is_training=False))
    assert [p.question for p in prepared] == questions and not report.left_out
    assert str(report) == "1 question(s) cut to max_query_length: 'f.json' long"


@pytest.mark.parametrize(("text", "context"), [(" ", CONTEXT), ("who?", "\u0301 "), ("", "")])
def test_a_blank_question_or_context_has_a_window_and_is_reported(spm, text, context):
    blank = Question("b", text, context, origin="'f.json' b")
    report = RowReport("question")
    (prepared,) = prepare([blank], spm, NARROW, report, is_training=False)
    for window in prepared.windows:
        assert window.has_question == bool(spm.encode(text))
    assert str(report) == (
        "1 question(s) answered with no text because the question or the context is blank: "
        "'f.json' b"
    )


def test_misplaced_answers_are_an_error_or_are_skipped():
    questions = [question("a", "café"), question("b", "cafe", 22), question("c", "tower", 0)]
    report = RowReport("question")
    with pytest.raises(
        InputError,
        match=r"'f.json' b: the answer 'cafe' does not begin at 22.*2 of 3 questions are wrong: "
        r"b, c\. Correct them, or set skip_invalid",
    ):
        well_placed(questions, report)
    report = RowReport("question", skip_broken=True)
    assert well_placed(questions, report) == questions[:1]
    assert str(report) == (
        "2 question(s) left out: the answer is not at its answer_start: 'f.json' b, 'f.json' c"
    )
