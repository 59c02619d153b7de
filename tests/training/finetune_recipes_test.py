"""Recipes of fine-tuning: what their heads say, their numbers, and a dry run of GLUE's."""

import pytest
import tiny_task

from albert_tf import train_lib
from albert_tf.training import gin_files

RECIPES = {name: path for name, path in gin_files.recipes().items() if name.startswith("finetune_")}
# Lan et al. 2020, table 14: batch, rate, dropout of the encoder, steps, warm-up.
GLUE = {
    "cola": (16, 1e-5, 0.0, 5336, 320),
    "stsb": (16, 2e-5, 0.0, 3598, 214),
    "sst2": (32, 1e-5, 0.0, 20935, 1256),
    "mnli": (128, 3e-5, 0.0, 10000, 1000),
    "qnli": (32, 1e-5, 0.0, 33112, 1986),
    "qqp": (128, 5e-5, 0.1, 14000, 1000),
    "rte": (32, 3e-5, 0.1, 800, 200),
    "mrpc": (32, 2e-5, 0.0, 800, 200),
    "wnli": (16, 2e-5, 0.1, 2000, 250),
}
# The same, but for the rate and dropout of version 2, which the original's README names; longest
# sequences behind. SWAG's and CoNLL's are our own.
OTHERS = {
    "squad1": (48, 5e-5, 0.0, 3649, 365, 384),
    "squad2": (48, 3e-5, 0.0, 8144, 814, 512),
    "race_v1": (32, 2e-5, 0.1, 12000, 1000, 512),
    "race_v2": (32, 1e-5, 0.0, 12000, 1000, 512),
    "swag": (16, 1e-5, None, 13800, 1380, 128),
    "conll2003": (32, 3e-5, None, 2200, 220, 128),
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_head_of_a_recipe_says_how_and_what_to_expect(name):
    head = RECIPES[name].read_text().split("include")[0]
    assert f"albert-tf train --gin_file {name} " in head
    assert "# hardware  " in head and "# expected  " in head


@pytest.mark.parametrize("task", GLUE)
def test_glue_recipes_have_the_numbers_of_the_paper(task):
    gin_files.parse([f"finetune_{task}"], ["INIT_FROM=x", "DATA=y"])
    macros = gin_files.macros()
    names = ("BATCH_SIZE", "LEARNING_RATE", "DROPOUT", "TRAIN_STEPS", "WARMUP_STEPS")
    assert tuple(macros[name] for name in names) == GLUE[task]
    assert (macros["SEQ_LENGTH"], macros["CLASSIFIER_DROPOUT"]) == (512, 0.1)


@pytest.mark.parametrize("name", OTHERS)
def test_other_recipes_have_their_numbers(name):
    gin_files.parse([f"finetune_{name}"], ["INIT_FROM=x", "TRAIN_DATA=y", "EVAL_DATA=z"])
    macros = gin_files.macros()
    names = ("BATCH_SIZE", "LEARNING_RATE", "DROPOUT", "TRAIN_STEPS", "WARMUP_STEPS", "SEQ_LENGTH")
    assert tuple(macros[name] for name in names) == OTHERS[name]


@pytest.mark.parametrize(
    ("name", "file", "text", "told"),
    [
        (
            "swag",
            "train.csv",
            "sent1,sent2,ending0,ending1,ending2,ending3,label\nThe file,is,a,b,c,d,2\n",
            ["AlbertMultipleChoice", "input_word_ids", "(16, 4, 40)"],
        ),
        ("conll2003", "train.txt", "the O\nEU B-ORG\n", ["AlbertTokenClassifier", "(32, 40)"]),
    ],
)
def test_dry_runs_of_other_tasks(name, file, text, told, tmp_path, capsys):
    (tmp_path / file).write_text(text)
    model = {f"model_config.ModelConfig.{name}": v for name, v in tiny_task.MODEL.items()}
    changes = dict(TRAIN_DATA=tmp_path / file, EVAL_DATA=tmp_path / file, SEQ_LENGTH=40)
    changes |= dict(FROM_SCRATCH=True, VOCAB=tiny_task.VOCAB, BUCKETED=False, **model)
    if name == "swag":
        changes["MAX_QA_LENGTH"] = 20
    gin_files.parse([f"finetune_{name}"], [f"{name}={value}" for name, value in changes.items()])
    gin_files.configured(train_lib.run)(mode="train", model_dir="none", only_describe=True)
    shown = capsys.readouterr().out
    assert all(part in shown for part in told), shown


def test_a_dry_run_of_a_task_of_glue(tmp_path, capsys):
    for name in ("train", "dev"):
        rows = "".join(f"{i}\tWhat?\tthe file\tentailment\n" for i in range(40))
        (tmp_path / f"{name}.tsv").write_text("index\tsentence1\tsentence2\tlabel\n" + rows)
    model = {f"model_config.ModelConfig.{name}": v for name, v in tiny_task.MODEL.items()}
    changes = dict(DATA=tmp_path, FROM_SCRATCH=True, VOCAB=tiny_task.VOCAB, SEQ_LENGTH=40, **model)
    gin_files.parse(
        ["finetune_rte", "experiments/sizes/xlarge.gin"],
        [f"{name}={value}" for name, value in changes.items()],
    )
    gin_files.configured(train_lib.run)(mode="train", model_dir="none", only_describe=True)
    text = capsys.readouterr().out
    assert "AlbertClassifier" in text and "initial_learning_rate 5e-06, decay_steps 800" in text
