"""The systems compared in `benchmarks.finetune_step`, each with its own batches, float32, AdamW.

A system is a function that loads the model from the folder written by `artefacts` and returns
`bind`. `bind` takes the data set as ids and returns the call to time: one epoch, which returns the
mean loss. Dropout is 0, and the learning rate is so small that the loss does not change.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Bind = Callable[[Mapping[str, np.ndarray]], Callable[[], tuple[float]]]

OURS = "albert_tf"
_RATE, _DECAY, _EPSILON, _CLIP = 1e-9, 0.01, 1e-6, 1.0


def artefacts(config: Mapping[str, Any], classes: int, folder: Path) -> None:
    """Writes one classifier with random weights in the formats of all systems."""
    import tensorflow as tf
    import tf_keras

    from albert_tf import AlbertClassifier
    from albert_tf.convert.conversion import convert
    from albert_tf.task_types import FILE, TaskDescription

    tf_keras.utils.set_random_seed(1)
    model = AlbertClassifier(config, classes, dropout_rate=0.0)
    ours = folder / "checkpoint"
    ours.mkdir(parents=True)
    tf.train.Checkpoint(model=model, **model.checkpoint_items).save(str(ours / "ckpt"))
    model.albert_config.to_json_file(ours / "albert_config.json")
    TaskDescription("classification", model.labels).to_json_file(ours / FILE)
    convert(ours, "model_garden", folder / "model_garden", allow_partial=True)
    convert(ours, "hugging_face", folder / "hugging_face")
    np.savez(folder / "head.npz", kernel=model.head.kernel, bias=model.head.bias)


def _rows(data: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return np.split(data["ids"], data["splits"][1:-1])


def ours(folder: Path, remove_padding: bool = True) -> Bind:
    """Our task's input pipeline and training step: batches of rows of similar length."""
    import tensorflow as tf
    from official.core import base_task

    from albert_tf import AlbertClassifier
    from albert_tf.tasks import batching
    from albert_tf.tasks.classification.task import ClassificationConfig, ClassificationTask
    from albert_tf.tasks.encoded_examples import EncodedExamples
    from albert_tf.training import optimization

    model = AlbertClassifier.from_pretrained(folder / "checkpoint", dropout_rate=0.0)
    model.encoder.remove_padding = remove_padding
    task = ClassificationTask(ClassificationConfig(glue="mnli"))  # any task with classes will do
    settings = optimization.config(
        "adamw", learning_rate=_RATE, train_steps=10**9, warmup_steps=0,
        weight_decay_rate=_DECAY, epsilon=_EPSILON, global_clipnorm=_CLIP,
    )  # fmt: skip
    optimizer = base_task.Task.create_optimizer(settings)
    metrics = task.build_metrics(training=True)
    step = tf.function(
        lambda batch: task.train_step(batch, model, optimizer, metrics)["loss"],
        reduce_retracing=True,
        autograph=False,
    )

    def bind(data: Mapping[str, np.ndarray]) -> Callable[[], tuple[float]]:
        size = int(data["batch_size"])
        examples = EncodedExamples(_rows(data), labels={"label": data["labels"]})
        seeds = itertools.count()

        def call() -> tuple[float]:
            batches = batching.dataset(
                examples, global_batch_size=size, is_training=True, seed=next(seeds)
            )
            return (float(np.mean([step(b) for b in batches.take(len(examples) // size)])),)

        return call

    return bind


def model_garden(folder: Path) -> Bind:
    """The training step of SentencePredictionTask on batches of fixed length, from memory."""
    import tensorflow as tf
    import tf_keras
    from official.modeling.optimization.legacy_adamw import AdamWeightDecay
    from official.nlp.tasks import sentence_prediction

    from albert_tf import AlbertConfig
    from benchmarks.model_garden import encoder_config

    config = AlbertConfig.from_json_file(folder / "checkpoint" / "albert_config.json")
    head = np.load(folder / "head.npz")
    settings = sentence_prediction.ModelConfig(
        num_classes=len(head["bias"]),
        use_encoder_pooler=True,
        encoder=encoder_config(config, dropout_rate=0.0, attention_dropout_rate=0.0),
    )
    task = sentence_prediction.SentencePredictionTask(
        sentence_prediction.SentencePredictionConfig(model=settings)
    )
    model = task.build_model()
    for layer in model._flatten_layers():  # the task has no option for this dropout rate
        if isinstance(layer, tf_keras.layers.Dropout):
            layer.rate = 0.0
    checkpoint = tf.train.Checkpoint(**model.checkpoint_items)
    path = tf.train.latest_checkpoint(str(folder / "model_garden"))
    checkpoint.read(path).expect_partial()
    model.classifier.out_proj.set_weights([head["kernel"], head["bias"]])
    optimizer = AdamWeightDecay(
        _RATE, weight_decay_rate=_DECAY, epsilon=_EPSILON, gradient_clip_norm=_CLIP,
        exclude_from_weight_decay=["LayerNorm", "layer_norm", "bias"],
    )  # fmt: skip
    metrics = task.build_metrics(training=True)
    step = tf.function(
        lambda batch: task.train_step(batch, model, optimizer, metrics)["loss"], autograph=False
    )

    def bind(data: Mapping[str, np.ndarray]) -> Callable[[], tuple[float]]:
        rows, width, size = _rows(data), int(data["width"]), int(data["batch_size"])
        ids = np.zeros([len(rows), width], np.int32)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)], mask[index, : len(row)] = row, 1
        features = {
            "input_word_ids": ids,
            "input_mask": mask,
            "input_type_ids": np.zeros_like(ids),
            "label_ids": data["labels"][:, np.newaxis],
        }
        batches = tf.data.Dataset.from_tensor_slices(features).shuffle(len(rows))
        batches = batches.batch(size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
        return lambda: (float(np.mean([step(batch) for batch in batches])),)

    return bind


def trainer(folder: Path) -> Bind:
    """transformers' Trainer with DataCollatorWithPadding: pads batches to their longest row."""
    import transformers

    collator = _Padding()
    model = transformers.AlbertForSequenceClassification.from_pretrained(
        folder / "hugging_face", classifier_dropout_prob=0.0
    )

    def bind(data: Mapping[str, np.ndarray]) -> Callable[[], tuple[float]]:
        rows = [
            {"input_ids": row.tolist(), "labels": int(label)}
            for row, label in zip(_rows(data), data["labels"])
        ]
        arguments = transformers.TrainingArguments(
            output_dir=str(folder / "trainer"),
            per_device_train_batch_size=int(data["batch_size"]),
            num_train_epochs=1,
            learning_rate=_RATE,
            weight_decay=_DECAY,
            adam_epsilon=_EPSILON,
            max_grad_norm=_CLIP,
            lr_scheduler_type="constant",
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            dataloader_drop_last=True,
        )
        trainer = transformers.Trainer(
            model=model, args=arguments, train_dataset=rows, data_collator=collator
        )
        trainer.remove_callback(transformers.PrinterCallback)
        return lambda: (trainer.train().training_loss,)

    return bind


class _Padding:
    """DataCollatorWithPadding for ids, without a tokenizer."""

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        width = max(len(row["input_ids"]) for row in rows)
        ids = torch.zeros([len(rows), width], dtype=torch.long)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            length = len(row["input_ids"])
            ids[index, :length], mask[index, :length] = torch.tensor(row["input_ids"]), 1
        labels = torch.tensor([row["labels"] for row in rows])
        return dict(input_ids=ids, attention_mask=mask, labels=labels)


SYSTEMS: Mapping[str, Callable[[Path], Bind]] = {
    OURS: ours,
    "Model Garden": model_garden,
    "transformers Trainer": trainer,
    "albert_tf, padding computed": functools.partial(ours, remove_padding=False),
}
