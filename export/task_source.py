"""From a model of any format to the task that serves it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.serving.served_task import TextTask
from albert_tf.tasks import starting_point
from albert_tf.tasks.classification import glue
from albert_tf.tasks.classification.served import TextClassifier
from albert_tf.tasks.embedding.served import SentenceEmbedding
from albert_tf.tasks.fill_mask.served import MaskFiller
from albert_tf.tasks.multiple_choice.served import ChoiceMaker
from albert_tf.tasks.predictor import Predictor
from albert_tf.tasks.question_answering.served import JointSpanFinder, SpanFinder, SpanSettings
from albert_tf.tasks.question_answering.span_windows import WindowSettings
from albert_tf.tasks.tagging.served import WordTagger
from albert_tf.tokenization.tokenizer import AlbertTokenizer

from . import task_cases
from .verify import Case

LONGEST = 512


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a task model reads and answers.

    Attributes:
      pooling: makes embeddings in this way (`SentenceEmbedding`) with the encoder, whatever head
        there is; "" for the task of the head.
      pairs: whether a classifier reads two texts where its training does not say so, as that of
        transformers does not.
      seq_length: the longest row; 0 for that of the training, at most 512.
      top_k: fillings of each mask.
    """

    pooling: str = ""
    pairs: bool = False
    seq_length: int = 0
    top_k: int = 5


DEFAULTS = Settings()


class TaskSource(NamedTuple):
    """What is exported.

    Attributes:
      task: the model and how it is served.
      tokenizer: whose model file travels with it.
      config: of the encoder.
      labels: names of the outputs, if they have some.
      cases: gives what the artefact must answer.
    """

    task: TextTask
    tokenizer: AlbertTokenizer
    config: AlbertConfig
    labels: tuple[str, ...]
    cases: Callable[[], Iterable[Case]]


def read(path: str | os.PathLike, settings: Settings) -> TaskSource:
    """Returns the task of a model.

    Args:
      path: a run, whose best checkpoint is taken, or what `convert.load.load` reads.
      settings: how it reads and answers.

    Raises:
      InputError: nothing readable lies there, it has no vocabulary, or the settings do not fit
        its task.
    """
    return _embedding(path, settings) if settings.pooling else _of_head(path, settings)


def _embedding(path: str | os.PathLike, settings: Settings) -> TaskSource:
    source = load.load(path)
    tokenizer = starting_point.tokenizer_of(source)
    encoder = AlbertEncoder.from_pretrained(path)
    length = _length(settings, LONGEST, source.config)
    task = SentenceEmbedding(encoder, tokenizer, length, settings.pooling)
    cases = lambda: task_cases.of_encoder(task, encoder, tokenizer, settings.pooling)  # noqa: E731
    return TaskSource(task, tokenizer, source.config, (), cases)


def _of_head(path: str | os.PathLike, settings: Settings) -> TaskSource:
    predictor = Predictor(path)
    task, model, tokenizer = predictor.task, predictor.model, predictor.task.tokenizer
    description = task.describe()
    kind, config = description.task, model.albert_config
    predictor.seq_length = length = _length(settings, predictor.seq_length, config)
    if kind in ("classification", "regression"):
        if settings.pairs:
            task.task_config.glue, task.task_config.second_text = "", "text_b"
        pairs = _reads_pairs(task.task_config)
        served = TextClassifier(model, tokenizer, length, kind == "regression", pairs)
    elif settings.pairs:
        raise InputError(f"--pairs is for classifiers. Received it for a model for {kind}.")
    elif kind == "fill_mask":
        task.task_config.top_k = settings.top_k
        served = MaskFiller(model, tokenizer, length, settings.top_k)
    elif kind in ("question_answering", "joint_question_answering"):
        values = {name: getattr(task.task_config, name) for name in SpanSettings._fields}
        WindowSettings(length, values["doc_stride"], values["max_query_length"])  # their room
        finder = SpanFinder if kind == "question_answering" else JointSpanFinder
        served = finder(model, tokenizer, length, SpanSettings(**values))
    elif kind == "tagging":
        served = WordTagger(model, tokenizer, length)
    else:
        served = ChoiceMaker(model, tokenizer, length, task.task_config.max_qa_length)
    cases = lambda: task_cases.of_predictor(served, predictor)  # noqa: E731
    return TaskSource(served, tokenizer, config, description.labels, cases)


def _reads_pairs(config: object) -> bool:
    """Whether a `ClassificationConfig` names two columns of text."""
    return len(glue.layout(config.glue).texts) == 2 if config.glue else bool(config.second_text)


def _length(settings: Settings, default: int, config: AlbertConfig) -> int:
    longest = config.max_position_embeddings
    if settings.seq_length > longest:
        raise InputError(
            "Texts must not be longer than the position table. Received --seq_length "
            f"{settings.seq_length}, max_position_embeddings={longest} in the weights."
        )
    return settings.seq_length or min(default, longest)
