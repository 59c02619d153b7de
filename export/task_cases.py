"""What a task model must answer: what `albert-tf predict` says to the same texts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.serving.served_task import TextTask
from albert_tf.serving.signatures import TF1_HUB
from albert_tf.tasks.predictor import Predictor
from albert_tf.tokenization.tokenizer import AlbertTokenizer

from . import warmup
from .verify import Case

# Rows of different lengths, with what the rules of the text treat in ways of their own.
TEXTS = ("[MASK] Hello!", "[MASK][MASK] Café NAÏVE: 1,000 and 2, 3", "[MASK] ΣΑΣ ﬁ Ａ " * 9)
OTHERS = ("a second text", "and another one, longer than the first of all " * 10, "1,000")
CHOICES = (
    ("yes", "of course, 1,000 times", "no"),
    ("one", "two", ""),
    ("none of them", "all", "some of them, but not those that were named before"),
)


def of_predictor(task: TextTask, predictor: Predictor) -> Iterator[Case]:
    """Yields calls of all signatures with the answers of the predictor, or of the task's own graph.

    Args:
      task: what is exported.
      predictor: of the same model.
    """
    inputs, expected = _ANSWERS[task.kind.removeprefix("pair_")](task, predictor)
    yield from _of_texts(task, inputs, expected)


def of_encoder(
    task: TextTask, encoder: AlbertEncoder, tokenizer: AlbertTokenizer, pooling: str
) -> Iterator[Case]:
    """Yields calls of all signatures of an embedding, made by NumPy of the encoder's outputs."""
    packed = tokenizer(list(TEXTS), max_length=task.seq_length, padding="longest")
    outputs = encoder({name: tf.constant(values) for name, values in packed.items()})
    vectors = outputs["sequence_output"].numpy()  # [B, S, H]
    weights = packed["input_mask"][:, :, np.newaxis] / packed["input_mask"].sum(1)[:, None, None]
    found = {
        "pooled": outputs["pooled_output"].numpy(),
        "cls": vectors[:, 0],
        "mean": (vectors * weights).sum(1).astype(np.float32),
    }
    yield from _of_texts(task, {"text": np.array(TEXTS)}, {"embedding": found[pooling]})


def _of_texts(
    task: TextTask, inputs: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> Iterator[Case]:
    yield Case("signatures/serving_default", inputs, expected)
    yield Case("signatures/examples", {"examples": warmup.records(inputs).astype("S")}, expected)
    rng, (ids, *_) = np.random.default_rng(0), task.table["tokens"].inputs.values()
    sizes = [3, 2, 11][-len(ids.axes) :] if len(ids.axes) > 2 else [3, 11]
    values = rng.integers(1, len(task.special_ids) + 1, sizes, np.int32)
    mask = np.broadcast_to(np.arange(11) < rng.integers(5, 12, [*sizes[:-1], 1]), sizes)
    types = np.broadcast_to(np.arange(11) > 3, sizes)
    tokens = dict(zip(TF1_HUB, (a.astype(np.int32) for a in (values, mask, types & mask))))
    answers = task.answer(*map(tf.constant, tokens.values()))
    outputs = {name: _plain(answers[name].numpy()) for name in task.table["tokens"].outputs}
    yield Case("signatures/tokens", tokens, outputs)


def _plain(array: np.ndarray) -> np.ndarray:
    return array.astype("S") if array.dtype == object else array


def _answered(predictor: Predictor, ending: str, text: str) -> list[dict[str, Any]]:
    """Returns the answers to a file that holds the text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"input{ending}")
        path.write_text(text, encoding="utf-8")
        return list(predictor(path))


def _padded(rows: Sequence[Any], dtype: Any) -> np.ndarray:
    """Returns rows of different lengths as one array, 0 or "" behind each."""
    arrays = [np.array(row, dtype) for row in rows]
    found = np.zeros([len(rows), *np.max([array.shape for array in arrays], axis=0)], dtype)
    for index, array in enumerate(arrays):
        found[(index, *map(slice, array.shape))] = array
    return found


Answers = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def _labels(task: TextTask, predictor: Predictor) -> Answers:
    columns = (TEXTS, OTHERS)[: len(task.table["serving_default"].inputs)]
    lines = "".join("\t".join(row) + "\n" for row in zip(*columns))
    answers = _answered(predictor, ".txt", lines)
    inputs = dict(zip(("text", "text_b"), map(np.array, columns)))
    if task.kind.endswith("regression"):
        return inputs, {"value": np.array([answer["value"] for answer in answers], np.float32)}
    shares = [list(answer["probabilities"].values()) for answer in answers]
    labels = np.array([answer["label"].encode() for answer in answers])
    return inputs, {"label": labels, "probabilities": np.array(shares, np.float32)}


def _fillings(task: TextTask, predictor: Predictor) -> Answers:
    answers = _answered(predictor, ".txt", "".join(f"{text}\n" for text in TEXTS))
    rows = [answer["fillings"] for answer in answers]

    def field(name: str, make: Callable[[Any], Any]) -> list[list[list[Any]]]:
        return [[[make(piece[name]) for piece in mask] for mask in row] for row in rows]

    return {"text": np.array(TEXTS)}, {
        "pieces": _padded(field("piece", str.encode), "S64"),
        "probabilities": _padded(field("probability", float), np.float32),
        "lengths": np.array([len(row) for row in rows], np.int32),
    }


def _tags(task: TextTask, predictor: Predictor) -> Answers:
    texts = [*TEXTS, OTHERS[1]]
    answers = _answered(predictor, ".txt", "\n\n".join("\n".join(t.split()) for t in texts) + "\n")
    found = {
        name: _padded([[word.encode() for word in a[name]] for a in answers], "S64")
        for name in ("words", "labels")
    }
    lengths = np.array([len(answer["words"]) for answer in answers], np.int32)
    return {"text": np.array(texts)}, {**found, "lengths": lengths}


def _choices(task: TextTask, predictor: Predictor) -> Answers:
    config = predictor.task.task_config
    questions = ("Which?", "There are _.", "_, or ____?") if config.question else ("",) * 3
    rows = zip(OTHERS, questions, CHOICES)
    lines = [
        {config.passage: p, config.question: q, **dict.fromkeys(config.choices, "")}
        | dict(zip(config.choices, c))
        for p, q, c in rows
    ]
    answers = _answered(predictor, ".jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    inputs = dict(passage=np.array(OTHERS), question=np.array(questions), choices=np.array(CHOICES))
    return inputs, {
        "index": np.array([answer["index"] for answer in answers], np.int32),
        "probabilities": _padded([answer["probabilities"] for answer in answers], np.float32),
    }


def _spans(task: TextTask, predictor: Predictor) -> Answers:
    questions, contexts = ("Which?", "How many, or how long?", "Why so?"), OTHERS
    rows = [
        {"context": context, "qas": [{"id": str(index), "question": question}]}
        for index, (question, context) in enumerate(zip(questions, contexts))
    ]
    answers = _answered(predictor, ".json", json.dumps({"data": [{"paragraphs": rows}]}))
    answers.sort(key=lambda answer: int(answer["id"]))
    n_best = predictor.task.task_config.n_best

    def field(name: str, blank: Any) -> list[list[Any]]:
        rows = [[span[name] for span in answer["n_best"]] for answer in answers]
        return [row + [blank] * (n_best - len(row)) for row in rows]

    texts = [[text.encode() for text in row] for row in field("text", "")]
    return dict(question=np.array(questions), context=np.array(contexts)), {
        "answer": np.array([answer["answer"].encode() for answer in answers]),
        "null_odds": np.array([answer["null_odds"] for answer in answers], np.float32),
        "n_best_answers": np.array(texts),
        "n_best_starts": np.array(field("begin", 0), np.int32),
        "n_best_ends": np.array(field("end", 0), np.int32),
        "n_best_scores": np.array(field("probability", 0.0), np.float32),
    }


_ANSWERS: Mapping[str, Callable[[TextTask, Predictor], Answers]] = {
    "classification": _labels,
    "regression": _labels,
    "fill_mask": _fillings,
    "question_answering": _spans,
    "joint_question_answering": _spans,
    "tagging": _tags,
    "multiple_choice": _choices,
}
