"""The README.md of an artefact, which explains what it is and how to use it."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

from albert_tf.errors import InputError
from albert_tf.serving import limits
from albert_tf.serving.signatures import Signature, Spec
from albert_tf.version import __version__

from . import precision

NAME = "README.md"
# The settings of a run that a card shows; the manifest has all.
_SETTINGS = ("INIT_FROM", "BATCH_SIZE", "LEARNING_RATE", "TRAIN_STEPS", "EPOCHS", "SEED")
AS_SOURCE = "as of their source"  # of weights whose licence was not given

_ENCODER = string.Template("""\
# ALBERT encoder

A TF-Hub SavedModel for TensorFlow 2, written by albert_tf $version. It requires only `tensorflow`
and `tensorflow_hub`.

| | |
|---|---|
| layers, parameter groups | $num_hidden_layers, $num_hidden_groups |
| hidden size, attention heads | $hidden_size, $num_attention_heads |
| embedding size | $embedding_size |
| vocabulary size | $vocab_size |
| maximum sequence length | $max_position_embeddings |
$origin
| limits of a request to a signature | $limits |
| text normalisation | $preprocessing |
| licence | $license |

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

To use it in a Keras model, build the model with `tf_keras` (Keras 2). Token ids are those of the
vocabulary in `assets/`; the preprocessor exported from the same model computes them from
text. The signatures are $signatures, named as in ALBERT's TF1-Hub modules. `manifest.json` lists
their types and shapes, the full config, versions, ops and checksums.
""")

_PREPROCESSOR = string.Template("""\
# ALBERT text preprocessor

A TF-Hub SavedModel for TensorFlow 2, written by albert_tf $version. It requires `tensorflow` and
`tensorflow_text`. Import `tensorflow_text` before loading the model, which uses its ops.

| | |
|---|---|
$origin
| vocabulary size | $vocab_size |
| sequence length | $seq_length |
| limits of a request to the signature | $limits |
| text normalisation | $preprocessing |
| licence | $license |

```python
import tensorflow as tf
import tensorflow_text

preprocess = tf.saved_model.load("path/to/this/folder")
inputs = preprocess(tf.constant(["one text", "another"]))  # int32 [2, $seq_length] each
tokens = preprocess.tokenize(tf.constant(["one text", "another"]))  # int32 [2, (tokens)]
longer = preprocess.bert_pack_inputs([tokens], seq_length=tf.constant(64))
```

Use it in a `tf.data` pipeline, in front of an encoder exported with the same vocabulary.
""")

_TASK = string.Template("""\
# ALBERT: $task

A model for TensorFlow Serving that takes raw text and returns answers, written by albert_tf
$version. The standard server has all the ops that it uses. A Python program that loads it requires
`tensorflow` and `tensorflow_text`.

| | |
|---|---|
$origin
| labels | $labels |
| maximum sequence length | $seq_length tokens |
| limits of a request | $limits |
| text normalisation | $preprocessing |
| licence | $license |

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
$reusable
Shapes: B is the batch size, S the sequence length, C the number of classes or choices, P of masks,
K of candidates for each mask, W of words, E of entities, and H the hidden size. `lengths` is the
number of valid entries in each row; the rest is padding. `assets.extra/` contains warmup requests
for the server, `assets/labels.txt` the labels.
""")


_REUSABLE = """
The module is also a text embedding of TF-Hub, which tf_keras (Keras 2) can train:

```python
import tensorflow as tf
import tensorflow_hub as hub
import tensorflow_text

embed = hub.KerasLayer("path/to/this/folder", dtype=tf.string, input_shape=[], trainable=True)
vectors = embed(tf.constant(["one text", "another"]))  # float32 [2, D]
```
"""

_LITE = string.Template("""\
# ALBERT for LiteRT: $task

A LiteRT model, written by albert_tf $version. It runs in every LiteRT interpreter, such as that of
`ai-edge-litert`, and takes token ids, which an application makes with the vocabulary and
its settings in this folder.

| | |
|---|---|
$origin
| outputs | $outputs |
| labels | $labels |
| precision of the weights | $precision |
| sequence length | $seq_length |
| largest difference from the source | $difference |
| licence | $license |

```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter

run = Interpreter("path/to/this/folder/model.tflite").get_signature_runner()
ids = np.full($shape, 7, np.int32)
outputs = run(
    input_word_ids=ids,
    input_mask=np.ones_like(ids),
    input_type_ids=np.zeros_like(ids),
)
```
""")


def check_license(name: str) -> None:
    """Checks that the name of a licence fits into a row of a table.

    Raises:
      InputError: it does not.
    """
    if not name.strip() or len(name) > 100 or not name.isprintable() or "|" in name:
        raise InputError(
            "The licence of an export must be a name of at most 100 characters on one line, "
            f"without '|'. Received {name!r:.120}. Pass one such as CC-BY-4.0, or omit --license."
        )


def encoder(description: Mapping[str, Any], signatures: Mapping[str, Any]) -> str:
    """Returns the card of a hub encoder, given its manifest and signatures."""
    return _ENCODER.substitute(
        description["config"],
        version=__version__,
        origin=_origin(description),
        limits=limits.describe(description["limits"]),
        preprocessing=_preprocessing(description),
        license=_license(description),
        signatures=", ".join(f"`{name}`" for name in sorted(signatures)),
    )


def preprocessor(description: Mapping[str, Any]) -> str:
    """Returns the card of a preprocessor, given its manifest."""
    return _PREPROCESSOR.substitute(
        origin=_origin(description),
        vocab_size=description["vocab_size"],
        seq_length=description["seq_length"],
        version=__version__,
        limits=limits.describe(description["limits"]),
        preprocessing=_preprocessing(description),
        license=_license(description),
    )


def task(description: Mapping[str, Any], table: Mapping[str, Signature]) -> str:
    """Returns the card of a task model, given its manifest and the table of its signatures."""
    texts = table["serving_default"].inputs.items()
    values = {1: '["one text"]', 2: '[["one text", "another"]]'}
    return _TASK.substitute(
        task=description["task"].replace("_", " "),
        version=__version__,
        origin=_origin(description),
        labels=", ".join(description["labels"]) or "none",
        seq_length=description["seq_length"],
        limits=limits.describe(description["limits"]),
        preprocessing=_preprocessing(description),
        license=_license(description),
        reusable=_REUSABLE if description["task"] == "embedding" else "",
        call="\n    ".join(f"{n}=tf.constant({values[len(s.axes)]})," for n, s in texts),
        signatures="\n".join(
            f"| `{name}` | {_tensors(signature.inputs)} | {_tensors(signature.outputs)} |"
            for name, signature in table.items()
        ),
    )


def lite(description: Mapping[str, Any], axes: Sequence[str]) -> str:
    """Returns the card of a LiteRT model, given its manifest and the axes of its inputs."""
    length = description["seq_length"]
    sizes = {"B": 1, "C": 2, "S": length or 8}
    outputs = description["outputs"].items()
    return _LITE.substitute(
        task=description["task"].replace("_", " "),
        version=__version__,
        origin=_origin(description),
        outputs=", ".join(f"`{name}` {spec}" for name, spec in outputs),
        labels=", ".join(description["labels"]) or "none",
        precision=description["precision"],
        seq_length=length or "any",
        difference=f"{description['largest_difference']:.1e}",
        license=_license(description),
        shape=[sizes.get(axis, 1) for axis in axes],
    )


def _origin(description: Mapping[str, Any]) -> str:
    """Returns the rows of a card's table for the entries of a manifest."""
    source, run = description.get("source", {}), description.get("run", {})
    cells = {}
    if source:
        step = f", step {source['step']:,}" if "step" in source else ""
        cells["source"] = f"{source['name']} ({source['format']}{step})"
    if "parameters" in description:
        parts = description["parameters"].items()
        cells["parameters"] = ", ".join(f"{part} {size:,}" for part, size in parts)
    for kind, name in (("train", "trained on"), ("eval", "evaluated on")):
        files = run.get(f"{kind}_data", {}).get("files", {})
        count = run.get("rows", {}).get(kind, {})
        used = count.get("part", count.get("kept"))
        if files:
            listed = ", ".join(list(files)[:5]) + (", ..." if len(files) > 5 else "")
            cells[name] = listed + (f": {used:,} rows" if used else "")
    products = description.get("precision")
    if isinstance(products, Mapping):  # That of a LiteRT model is a name.
        text = f"{products['products']} products; {precision.describe(products)}"
        cells["precision"] = f"{text} (compared with float32)"
    if "metrics" in run:
        values = [f"{name} {value:.4f}" for name, value in list(run["metrics"].items())[:6]]
        cells["metrics"] = ", ".join(values)
    settings = run.get("settings", {})
    settings = {name: settings[name] for name in _SETTINGS if name in settings}
    if settings:
        # Neither what is unset nor what is computed from others.
        shown = [f"{n}={v}" for n, v in settings.items() if v != "''" and v[0] != "@"]
        cells["settings"] = ", ".join(shown)
    return "\n".join(f"| {name} | {text.replace('|', ' ')} |" for name, text in cells.items())


def _tensors(specs: Mapping[str, Spec]) -> str:
    return ", ".join(f"`{name}` {spec}" for name, spec in specs.items())


def _license(description: Mapping[str, Any]) -> str:
    return f"code: Apache-2.0; weights and vocabulary: {description['license']}"


def _preprocessing(description: Mapping[str, Any]) -> str:
    settings = description["preprocessing"]
    case = "lower-cased" if settings["lower_case"] else "case kept"
    accents = "accents kept" if settings["keep_accents"] else "accents removed"
    added = settings.get("added_tokens", [])
    more = f", {len(added)} added tokens" if added else ""
    return f'{case}, {accents}, rules "{settings["rules"]}"{more}'
