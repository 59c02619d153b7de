"""ALBERT in TensorFlow 2: encoder, pretraining, conversion and TF-Hub export.

The public names below are imported at first use, so that `import albert_tf` is fast and
`albert-tf --help` does not import TensorFlow.
"""

import importlib
from typing import Any

from albert_tf.version import __version__

_PUBLIC = {
    "AlbertClassifier": "albert_tf.tasks.classification.model",
    "AlbertEmbedder": "albert_tf.tasks.embedding.model",
    "AlbertConfig": "albert_tf.config",
    "AlbertEncoder": "albert_tf.modeling.encoder",
    "AlbertJointSpanLabeler": "albert_tf.tasks.question_answering.joint_model",
    "AlbertMaskedLM": "albert_tf.tasks.fill_mask.model",
    "AlbertMultipleChoice": "albert_tf.tasks.multiple_choice.model",
    "AlbertPretrainer": "albert_tf.modeling.pretrainer",
    "AlbertSpanLabeler": "albert_tf.tasks.question_answering.model",
    "AlbertTokenClassifier": "albert_tf.tasks.tagging.model",
    "AlbertTokenizer": "albert_tf.tokenization.tokenizer",
    "Predictor": "albert_tf.tasks.predictor",
    "presets": "albert_tf.presets",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'albert_tf' has no attribute {name!r}")
    module = importlib.import_module(_PUBLIC[name])
    return module if name == "presets" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
