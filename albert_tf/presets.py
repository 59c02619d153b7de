"""The released ALBERT models: configs, parameter counts, download addresses and published scores.

    from albert_tf import presets
    presets.get("albert_base_v2").config

The sizes are those of Lan et al. 2020, table 1. Version 1 was trained with dropout 0.1 (xxlarge
with 0), version 2 without dropout. The Chinese models ("zh") use ReLU and a WordPiece vocabulary of
21128 entries (vocab_chinese.txt) instead of a SentencePiece model. This module does not import
TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest

_RELEASES = "https://storage.googleapis.com/albert_models"
_BENCHMARKS = ("average", "squad1.1_f1", "squad1.1_em", "squad2.0_f1", "squad2.0_em")
_BENCHMARKS += ("mnli", "sst2", "race")


@dataclasses.dataclass(frozen=True)
class Preset:
    """One released model.

    Attributes:
      config: sizes and dropout rates, as in the released albert_config.json.
      classifier_dropout: dropout in front of the classifier in fine-tuning. It is 0.1, which the
        original's run_classifier.py hard-codes whatever the encoder's own rates are.
      parameters: number of parameters of the encoder with its pooler, without pretraining heads.
      source: address of the archive with the released checkpoint.
      sha256: SHA-256 of the archive; "" if it is not known. Google published none, so downloads are
        compared with the MD5 that its server sends.
      scores: published results on development sets by benchmark, in percent; empty if none were
        published. Source: README.md of github.com/google-research/albert.
    """

    config: AlbertConfig
    parameters: int
    source: str
    scores: Mapping[str, float]
    classifier_dropout: float = 0.1
    sha256: str = ""


def get(name: str) -> Preset:
    """Returns the preset with the given name.

    Raises:
      InputError: there is no such preset. The message lists the closest names.
    """
    if name not in PRESETS:
        raise InputError(
            f"A preset must be one of the released models. Received {name!r}. "
            f"{closest(name, PRESETS)}"
        )
    return PRESETS[name]


def _config(size: str, **changes: object) -> AlbertConfig:
    hidden, layers, heads = {
        "base": (768, 12, 12),
        "large": (1024, 24, 16),
        "xlarge": (2048, 24, 16),
        "xxlarge": (4096, 12, 64),
    }[size]
    values = dict(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
    )
    return AlbertConfig(**{**values, **changes})


def _release(
    config: AlbertConfig, parameters: int, archive: str, scores: tuple[float, ...] = ()
) -> Preset:
    return Preset(
        config=config,
        parameters=parameters,
        source=f"{_RELEASES}/{archive}.tar.gz",
        scores=MappingProxyType(dict(zip(_BENCHMARKS, scores))),
    )


_DROPOUT = dict(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
_CHINESE = dict(vocab_size=21128, hidden_act="relu")

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "albert_base_v1": _release(
            _config("base", **_DROPOUT),
            11_683_584,
            "albert_base_v1",
            (80.1, 89.3, 82.3, 80.0, 77.1, 81.6, 90.3, 64.0),
        ),
        "albert_large_v1": _release(
            _config("large", **_DROPOUT),
            17_683_968,
            "albert_large_v1",
            (82.4, 90.6, 83.9, 82.3, 79.4, 83.5, 91.7, 68.5),
        ),
        "albert_xlarge_v1": _release(
            _config("xlarge", **_DROPOUT),
            58_724_864,
            "albert_xlarge_v1",
            (85.5, 92.5, 86.1, 86.1, 83.1, 86.4, 92.4, 74.8),
        ),
        "albert_xxlarge_v1": _release(
            _config("xxlarge"),
            222_595_584,
            "albert_xxlarge_v1",
            (91.0, 94.8, 89.3, 90.2, 87.4, 90.8, 96.9, 86.5),
        ),
        "albert_base_v2": _release(
            _config("base"),
            11_683_584,
            "albert_base_v2",
            (82.3, 90.2, 83.2, 82.1, 79.3, 84.6, 92.9, 66.8),
        ),
        "albert_large_v2": _release(
            _config("large"),
            17_683_968,
            "albert_large_v2",
            (85.7, 91.8, 85.2, 84.9, 81.8, 86.5, 94.9, 75.2),
        ),
        "albert_xlarge_v2": _release(
            _config("xlarge"),
            58_724_864,
            "albert_xlarge_v2",
            (87.9, 92.9, 86.4, 87.9, 84.1, 87.9, 95.4, 80.7),
        ),
        "albert_xxlarge_v2": _release(
            _config("xxlarge"),
            222_595_584,
            "albert_xxlarge_v2",
            (90.9, 94.6, 89.1, 89.8, 86.9, 90.6, 96.8, 86.8),
        ),
        "albert_base_zh": _release(_config("base", **_CHINESE), 10_547_968, "albert_base_zh"),
        "albert_large_zh": _release(_config("large", **_CHINESE), 16_548_352, "albert_large_zh"),
        "albert_xlarge_zh": _release(
            _config("xlarge", **_CHINESE, initializer_range=0.014), 57_589_248, "albert_xlarge_zh"
        ),
        # 16 heads, whereas the English xxlarge models have 64.
        "albert_xxlarge_zh": _release(
            _config("xxlarge", **_CHINESE, num_attention_heads=16, initializer_range=0.01),
            221_459_968,
            "albert_xxlarge_zh",
        ),
    }
)
