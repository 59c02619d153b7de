"""Runs the whole training of a very small model on records written by the original code."""

from albert_tf import train_lib
from albert_tf.training import gin_files
from tests.support.commands import call
from tests.support.paths import TESTDATA

SMALL = {
    "VOCAB": TESTDATA / "tokenization/spm.model",
    "TRAIN_DATA": TESTDATA / "pretraining_data/*.tfrecord",
    "EVAL_DATA": TESTDATA / "pretraining_data/*.tfrecord",
    "VOCAB_SIZE": 1000,
    "BATCH_SIZE": 8,
    "EVAL_STEPS": 3,
    "SUMMARY_INTERVAL": 2,
    "EVAL_INTERVAL": 4,
    "CHECKPOINT_INTERVAL": 2,
    "TRAIN_STEPS": 4,
    "WARMUP_STEPS": 1,
    "model_config.ModelConfig.hidden_size": 24,
    "model_config.ModelConfig.num_attention_heads": 3,
    "model_config.ModelConfig.intermediate_size": 40,
    "model_config.ModelConfig.num_hidden_layers": 2,
}


def command(model_dir, mode="train_and_eval", **changes):
    """Returns the arguments of `albert-tf` for a run."""
    settings = {**SMALL, **changes}
    gin = [f"--gin.{name}={value}" for name, value in settings.items()]
    head = ["train", "--gin_file", "pretrain_tiny", "--mode", mode]
    return [*head, "--model_dir", str(model_dir), *gin]


def train(*args, flags=(), **changes):
    call(*command(*args, **changes), *flags)


def run(folder, mode="train", train_actions=(), eval_actions=(), export_best=None, **changes):
    """Does the same run with arguments that gin cannot set, and returns its metrics."""
    words = command(folder, mode, **changes)
    gin = [word.removeprefix("--gin.") for word in words if word.startswith("--gin.")]
    gin_files.parse(["pretrain_tiny"], gin)
    return gin_files.configured(train_lib.run)(
        mode=mode,
        model_dir=folder,
        train_actions=train_actions,
        eval_actions=eval_actions,
        export_best=export_best,
    )
