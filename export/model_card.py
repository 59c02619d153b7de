"""README.md of an artefact: what it is and how to use it, for people who only have the folder."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from albert_tf.serving.signatures import Signature, Spec
from albert_tf.version import __version__

NAME = "README.md"

_ENCODER = string.Template("""\
# ALBERT encoder

A TF-Hub SavedModel for TensorFlow 2, written by albert_tf $version. It needs `tensorflow` and
`tensorflow_hub` and no other package.

| | |
|---|---|
| layers, groups of weights | $num_hidden_layers, $num_hidden_groups |
| hidden size, attention heads | $hidden_size, $num_attention_heads |
| embedding size | $embedding_size |
| vocabulary | $vocab_size |
| longest sequence | $max_position_embeddings |
| parameters | $parameters |
| text before SentencePiece | $preprocessing |

```python
import tensorflow as tf
import tensorflow_hub as hub

encoder = hub.KerasLayer("path/to/this/folder", trainable=True)
ids = tf.constant([[2, 7, 8, 3]])
outputs = encoder(
    {
        "input_word_ids": ids,
        "input_mask": tf.ones_like(ids),
        "input_type_ids": tf.zeros_like(ids),
    }
)
outputs["pooled_output"]  # float32 [batch, $hidden_size]
outputs["sequence_output"]  # float32 [batch, length, $hidden_size]
```

Build Keras models around it with `tf_keras`, Keras 2. Ids are those of the SentencePiece model in
`assets/`; the preprocessor that belongs to this encoder makes them from text. Signatures:
$signatures, with the names of the TF1-Hub modules of ALBERT. `manifest.json` has their types and
shapes, the whole config, versions, ops and checksums.
""")

_PREPROCESSOR = string.Template("""\
# ALBERT text preprocessor

A TF-Hub SavedModel for TensorFlow 2, written by albert_tf $version. It needs `tensorflow` and
`tensorflow_text`, whose ops it uses: import it before loading.

| | |
|---|---|
| vocabulary | $vocab_size |
| length of the inputs | $seq_length |
| text before SentencePiece | $preprocessing |

```python
import tensorflow as tf
import tensorflow_text

preprocess = tf.saved_model.load("path/to/this/folder")
inputs = preprocess(tf.constant(["one text", "another"]))  # int32 [2, $seq_length] each
tokens = preprocess.tokenize(tf.constant(["one text", "another"]))  # int32 [2, (tokens)]
longer = preprocess.bert_pack_inputs([tokens], seq_length=tf.constant(64))
```

Use it in `tf.data` before the encoder that was exported with the same SentencePiece model.
""")

_TASK = string.Template("""\
# ALBERT: $task

A model for TensorFlow Serving, written by albert_tf $version: raw text in, answers out. The server
has all ops that it needs; a Python program that loads it needs `tensorflow` and `tensorflow_text`.

| | |
|---|---|
| labels | $labels |
| longest row | $seq_length tokens |
| text before SentencePiece | $preprocessing |

```python
import tensorflow as tf
import tensorflow_text

model = tf.saved_model.load("path/to/this/folder")
answers = model.signatures["serving_default"](
    $call
)
```

| signature | inputs | outputs |
|---|---|---|
$signatures

Letters: B batch, S sequence, C classes or choices, P masks, K fillings of each, W words, H hidden
size. `lengths` tells how many entries of a row are real. Requests to warm up with lie in
`assets.extra/`, labels in `assets/labels.txt`.
""")


def encoder(description: Mapping[str, Any], signatures: Mapping[str, Any]) -> str:
    """Returns the card of a hub encoder, from what its manifest tells."""
    parts = description["parameters"].items()
    return _ENCODER.substitute(
        description["config"],
        version=__version__,
        parameters=", ".join(f"{part} {size:,}" for part, size in parts),
        preprocessing=_preprocessing(description),
        signatures=", ".join(f"`{name}`" for name in sorted(signatures)),
    )


def preprocessor(description: Mapping[str, Any]) -> str:
    """Returns the card of a preprocessor, from what its manifest tells."""
    return _PREPROCESSOR.substitute(
        vocab_size=description["vocab_size"],
        seq_length=description["seq_length"],
        version=__version__,
        preprocessing=_preprocessing(description),
    )


def task(description: Mapping[str, Any], table: Mapping[str, Signature]) -> str:
    """Returns the card of a task model, from its manifest and the table of its signatures."""
    texts = table["serving_default"].inputs.items()
    values = {1: '["one text"]', 2: '[["one text", "another"]]'}
    return _TASK.substitute(
        task=description["task"].replace("_", " "),
        version=__version__,
        labels=", ".join(description["labels"]) or "none",
        seq_length=description["seq_length"],
        preprocessing=_preprocessing(description),
        call="\n    ".join(f"{n}=tf.constant({values[len(s.axes)]})," for n, s in texts),
        signatures="\n".join(
            f"| `{name}` | {_tensors(found.inputs)} | {_tensors(found.outputs)} |"
            for name, found in table.items()
        ),
    )


def _tensors(specs: Mapping[str, Spec]) -> str:
    return ", ".join(f"`{name}` {spec}" for name, spec in specs.items())


def _preprocessing(description: Mapping[str, Any]) -> str:
    settings = description["preprocessing"]
    case = "lowered" if settings["lower_case"] else "case kept"
    accents = "accents kept" if settings["keep_accents"] else "accents dropped"
    return f'{case}, {accents}, rules "{settings["rules"]}"'
