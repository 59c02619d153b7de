import numpy as np

from albert_tf.tasks.question_answering import metrics as squad_metrics
from albert_tf.tasks.question_answering.span_decoding import Answer, Span
from albert_tf.tasks.question_answering.squad import Answer as Gold
from albert_tf.tasks.question_answering.squad import Question


def answer(question, gold, text, odds):
    span = Span(text, 1.0, 0.0, 0.0, 0, len(text))
    golds = (Gold(gold, 0),) if gold else ()
    return Answer(Question(question, question, "context", golds), [span], odds)


ANSWERS = [
    answer("Who was it?", "Ada", "Ada", -3.0),
    answer("Who slept?", "", "Ada", 2.0),
    answer("who read it?", "Zoë Bo", "Bo", -1.0),
    answer("Name it.", "", "Ada", 1.0),
]


def test_the_table_has_scores_by_first_word():
    rows = [line.split() for line in squad_metrics.by_first_word(ANSWERS, 1.5).splitlines()]
    assert rows[1:] == [["who", "3", "66.67", "88.89"], ["other", "1", "0.00", "0.00"]]
    rows = [line.split() for line in squad_metrics.by_first_word(ANSWERS, None).splitlines()]
    assert rows[1] == ["who", "3", "33.33", "55.56"]


def test_the_curve_starts_with_the_most_confident_answers(tmp_path, monkeypatch):
    drawn = {}

    class Axes:
        def plot(self, x, y, label):
            drawn[label] = x, y

        def __getattr__(self, name):
            return lambda *args, **kwargs: None

    class Figure:
        def __init__(self, path):
            pass

        def __enter__(self):
            return Axes()

        def __exit__(self, *args):
            pass

    monkeypatch.setattr("albert_tf.tasks.results.figure", Figure)
    assert squad_metrics.draw(ANSWERS, tmp_path) == [tmp_path / "precision_coverage.png"]
    shares, exact = drawn["exact"]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(exact, [1.0, 0.5, 1 / 3, 0.25])
    np.testing.assert_allclose(drawn["f1"][1], [1, 5 / 6, 5 / 9, 5 / 12])
