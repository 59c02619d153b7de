"""The systems compared in `benchmarks.train_step`, each as its users run it, float32, AdamW.

A system is a function that loads the model from the folder written by `artefacts` and returns
`bind`. `bind` takes a batch and returns the call to time: one training step, which returns the
loss, the peak memory of the process in MiB, and its memory before the model was loaded. All steps
use the same batch, and the learning rate is so small that the loss does not change.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import memory

Batch = Mapping[str, np.ndarray]
Bind = Callable[[Batch], Callable[[], tuple[float, ...]]]

OURS = "albert_tf"
_RATE, _DECAY, _EPSILON, _CLIP = 1e-9, 0.01, 1e-6, 1.0


def artefacts(config: Mapping[str, object], folder: Path) -> None:
    """Writes `checkpoint`, `model_garden` and `hugging_face`: one model with random weights."""
    import tensorflow as tf
    import tf_keras

    from albert_tf import AlbertPretrainer
    from albert_tf.convert.conversion import convert

    tf_keras.utils.set_random_seed(1)
    model = AlbertPretrainer(config)
    (folder / "checkpoint").mkdir(parents=True)
    tf.train.Checkpoint(model=model, **model.checkpoint_items).save(str(folder / "checkpoint/ckpt"))
    model.albert_config.to_json_file(folder / "checkpoint" / "albert_config.json")
    for to in ("model_garden", "hugging_face"):
        convert(folder / "checkpoint", to, folder / to)
    # Model Garden does not store the last layer of this head in checkpoints.
    np.savez(folder / "order.npz", *model.sentence_order.classifier.get_weights())


def _ours(folder: Path, remove_padding: bool = False, xla: bool = False) -> Bind:
    from official.core import base_task

    from albert_tf import AlbertPretrainer
    from albert_tf.pretraining.task import PretrainingConfig, PretrainingTask
    from albert_tf.training import optimization

    before = memory("VmRSS")
    model = AlbertPretrainer.from_pretrained(folder / "checkpoint")
    model.encoder.remove_padding = remove_padding
    task = PretrainingTask(PretrainingConfig())
    settings = optimization.config(
        "adamw", learning_rate=_RATE, train_steps=10**9, warmup_steps=0,
        weight_decay_rate=_DECAY, epsilon=_EPSILON, global_clipnorm=_CLIP,
    )  # fmt: skip
    optimizer = base_task.Task.create_optimizer(settings)
    return _tensorflow(task, model, optimizer, before, xla)


def _model_garden(folder: Path, xla: bool = False) -> Bind:
    import tensorflow as tf
    from official.modeling.optimization.legacy_adamw import AdamWeightDecay
    from official.nlp.configs import bert
    from official.nlp.data import pretrain_dataloader
    from official.nlp.tasks.masked_lm import MaskedLMConfig, MaskedLMTask

    from albert_tf import AlbertConfig
    from benchmarks.model_garden import encoder_config

    before = memory("VmRSS")
    config = AlbertConfig.from_json_file(folder / "checkpoint" / "albert_config.json")
    head = bert.ClsHeadConfig(inner_dim=config.hidden_size, num_classes=2, name="next_sentence")
    pretrainer = bert.PretrainerConfig(
        encoder=encoder_config(config),
        cls_heads=[head],
        mlm_activation="gelu",
    )
    data = pretrain_dataloader.BertPretrainDataConfig(use_next_sentence_label=True)
    task = MaskedLMTask(MaskedLMConfig(model=pretrainer, train_data=data))
    model = task.build_model()
    order = model.classification_heads[0]
    order(tf.zeros([1, 1, config.hidden_size]))  # builds its variables
    checkpoint = tf.train.Checkpoint(**model.checkpoint_items)
    path = tf.train.latest_checkpoint(str(folder / "model_garden"))
    checkpoint.read(path).expect_partial().assert_existing_objects_matched()
    order.out_proj.set_weights([*np.load(folder / "order.npz").values()])
    optimizer = AdamWeightDecay(
        _RATE, weight_decay_rate=_DECAY, epsilon=_EPSILON, gradient_clip_norm=_CLIP,
        exclude_from_weight_decay=["LayerNorm", "layer_norm", "bias"],
    )  # fmt: skip
    return _tensorflow(task, model, optimizer, before, xla)


def _tensorflow(task: Any, model: Any, optimizer: Any, before: float, xla: bool) -> Bind:
    """Binds the training step of a Model Garden task, with metrics, as its trainer runs it."""
    import tensorflow as tf

    metrics = task.build_metrics(training=True)

    @tf.function(autograph=False, jit_compile=xla or None)
    def step(features: dict[str, tf.Tensor]) -> tf.Tensor:
        return task.train_step(features, model=model, optimizer=optimizer, metrics=metrics)["loss"]

    def bind(batch: Batch) -> Callable[[], tuple[float, ...]]:
        features = {name: tf.constant(value) for name, value in batch.items()}
        return lambda: (float(step(features)), memory("VmHWM"), before)

    return bind


def _transformers(folder: Path) -> Bind:
    import torch
    from transformers import AlbertForPreTraining

    before = memory("VmRSS")
    model = AlbertForPreTraining.from_pretrained(folder / "hugging_face").train()
    model.sop_classifier.dropout.p = 0.0
    excluded = [p for n, p in model.named_parameters() if "bias" in n or "LayerNorm" in n]
    ids = {id(p) for p in excluded}
    decayed = [p for p in model.parameters() if id(p) not in ids]
    groups = [{"params": decayed, "weight_decay": _DECAY}]
    groups += [{"params": excluded, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=_RATE, eps=_EPSILON)

    def bind(batch: Batch) -> Callable[[], tuple[float, ...]]:
        tensors = {name: torch.from_numpy(value).long() for name, value in batch.items()}
        labels = torch.full_like(tensors["input_word_ids"], -100)  # -100: not predicted
        real = tensors["masked_lm_weights"].bool()
        rows = torch.arange(len(labels))[:, None].expand_as(real)
        labels[rows[real], tensors["masked_lm_positions"][real]] = tensors["masked_lm_ids"][real]
        inputs = dict(
            input_ids=tensors["input_word_ids"],
            attention_mask=tensors["input_mask"],
            token_type_ids=tensors["input_type_ids"],
            labels=labels,
            sentence_order_label=tensors["next_sentence_labels"][:, 0],
        )

        def call() -> tuple[float, ...]:
            loss = model(**inputs).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
            optimizer.step()
            optimizer.zero_grad()
            return loss.item(), memory("VmHWM"), before

        return call

    return bind


TRAINERS: Mapping[str, Callable[[Path], Bind]] = {
    OURS: _ours,
    "Model Garden": _model_garden,
    "transformers": _transformers,
    "albert_tf, no padding": functools.partial(_ours, remove_padding=True),
    "albert_tf, XLA": functools.partial(_ours, xla=True),
    "Model Garden, XLA": functools.partial(_model_garden, xla=True),
}
