"""`TextModel`: a model and its tokenizer in one Keras model, which fits and predicts on strings."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.errors import InputError
from albert_tf.modeling.task_model import TaskModel
from albert_tf.tokenization import model_files
from albert_tf.tokenization.graph import packing
from albert_tf.tokenization.graph.tokenizer import GraphTokenizer
from albert_tf.tokenization.packing import check_seq_length, special_count
from albert_tf.tokenization.settings import Preprocessing, path_beside
from albert_tf.tokenization.tokenizer import AlbertTokenizer


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class TextModel(tf_keras.Model):
    """A model of token ids behind its tokenizer, which runs in the graph.

    ```python
    model = AlbertClassifier.from_pretrained("albert_base_v2", labels=["bad", "good"])
    text_model = model.with_preprocessing(AlbertTokenizer.from_pretrained("albert_base_v2"))
    text_model.compile("adam", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    text_model.fit(["a fine film", "a waste of time"], [1, 0])
    text_model.save_pretrained("reviews")
    ```

    Inputs: texts, string [B]; for pairs a list or tuple of two such inputs. Outputs: those of
    `model`, whose weights are shared. A batch is padded to its longest row.

    Args:
      model: a model whose inputs are rows of ids, [B, S].
      tokenizer: the tokenizer that belongs to its weights.
      seq_length: the greatest S; longer texts are cut, the longer one of a pair first. 128 as in
        fine-tuning.
      **kwargs: arguments of every Keras model, such as `name`.

    Raises:
      InputError: `seq_length` has no room for text or exceeds the position table, or the tokenizer
        has more pieces than the model has ids.
    """

    def __init__(
        self, model: TaskModel, tokenizer: AlbertTokenizer, seq_length: int = 128, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        config = model.albert_config
        check_seq_length(seq_length, segments=1)
        if seq_length > config.max_position_embeddings:
            raise InputError(
                "Texts must not be longer than the model can read. Received "
                f"seq_length={seq_length}, max_position_embeddings="
                f"{config.max_position_embeddings}. Lower seq_length."
            )
        if tokenizer.vocab_size > config.vocab_size:
            raise InputError(
                "A tokenizer must not have more pieces than the model has ids. Received "
                f"{tokenizer.vocab_size} pieces for a model with vocab_size={config.vocab_size}. "
                "Pass the tokenizer that the model was trained with."
            )
        self.model, self.tokenizer, self.seq_length = model, tokenizer, seq_length
        self._graph = GraphTokenizer(tokenizer)
        self.built = True

    def call(self, texts: tf.Tensor | Sequence[tf.Tensor], training: bool = False) -> Any:
        """Returns the outputs of the model for texts; see the class."""
        segments = list(texts) if isinstance(texts, (list, tuple)) else [texts]
        if len(segments) > 2:
            raise InputError(
                "A row must consist of one text or two. Received "
                f"{len(segments)} inputs. Pass texts, or a pair (texts, others)."
            )
        # Keras adds an axis to inputs that have one only.
        tokens = [self._graph.tokenize(tf.reshape(text, [-1])) for text in segments]
        lengths = tf.add_n([rows.row_lengths() for rows in tokens])  # [B]
        longest = tf.cast(tf.reduce_max(lengths), tf.int32) + special_count(len(tokens))
        length = tf.clip_by_value(longest, special_count(len(tokens)), self.seq_length)
        features = packing.pack(tokens, length, self._graph.special_ids)  # int32 [B, length] each
        return self.model(features, training=training)

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Saves model and tokenizer in a new folder; see `TaskModel.save_pretrained`.

        `from_pretrained`, `Predictor` and the commands predict, convert and export take it.
        """
        self.model.settings["seq_length"] = self.seq_length
        self.model.save_pretrained(folder, self.tokenizer)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the model, with the tokenizer as text."""
        return {
            **tf_keras.layers.Layer.get_config(self),  # that of Model is empty
            "model": tf_keras.saving.serialize_keras_object(self.model),
            "tokenizer": {
                "name": model_files.saved_name(self.tokenizer.model_file),
                "proto": base64.b64encode(self.tokenizer.model_proto).decode("ascii"),
                "preprocessing": self.tokenizer.preprocessing.to_dict(),
            },
            "seq_length": self.seq_length,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TextModel:
        """Returns a new model with the config that `get_config` returned."""
        stored = config["tokenizer"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, Path(stored["name"]).name)
            path.write_bytes(base64.b64decode(stored["proto"]))
            Preprocessing.from_dict(stored["preprocessing"]).to_json_file(path_beside(path))
            tokenizer = AlbertTokenizer(path)
        model = tf_keras.saving.deserialize_keras_object(config["model"], custom_objects)
        return cls(**{**config, "model": model, "tokenizer": tokenizer})
