"""Fine-tuning recipes: their header comments, their numbers, and a dry run of each."""

import json
import re

import pytest

from albert_tf import train_lib
from albert_tf.training import gin_files
from tests.support import conll_file, glue_file, span_file, squad_file, tiny_task

# The steps of these, and of embeddings, depend on the data.
TABLES = tuple(f"finetune_{name}" for name in ("table", "multi_label", "few_shot"))
EMBEDDINGS = tuple(f"finetune_{name}" for name in ("pairs", "sts", "nli_embedding", "simcse"))
RECIPES = {name: path for name, path in gin_files.recipes().items() if name.startswith("finetune_")}
# Lan et al. 2020, table 14: batch size, learning rate, encoder dropout, steps, warm-up steps.
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
# The same columns and the sequence length. Rates and dropout of version 2 models are those in the
# original's README. The values for SWAG and tagging are our own.
OTHERS = {
    "squad1": (48, 5e-5, 0.0, 3649, 365, 384),
    "squad2": (48, 3e-5, 0.0, 8144, 814, 512),
    "race_v1": (32, 2e-5, 0.1, 12000, 1000, 512),
    "race_v2": (32, 1e-5, 0.0, 12000, 1000, 512),
    "swag": (16, 1e-5, None, 13800, 1380, 128),
    "conll2003": (32, 3e-5, None, 2200, 220, 128),
    "tagging": (32, 3e-5, None, 1000, 100, 128),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_starts_with_its_command_hardware_and_expected_scores(name):
    head = RECIPES[name].read_text().split("include")[0]
    assert f"albert-tf train --gin_file {name} " in head
    assert "# hardware  " in head and "# expected  " in head


@pytest.mark.parametrize("task", GLUE)
def test_glue_recipes_use_the_hyperparameters_of_the_paper(task):
    gin_files.parse([f"finetune_{task}"], ["INIT_FROM=x", "DATA=y"])
    macros = gin_files.macros()
    names = ("BATCH_SIZE", "LEARNING_RATE", "DROPOUT", "TRAIN_STEPS", "WARMUP_STEPS")
    assert tuple(macros[name] for name in names) == GLUE[task]
    assert (macros["SEQ_LENGTH"], macros["CLASSIFIER_DROPOUT"]) == (512, 0.1)


@pytest.mark.parametrize("name", OTHERS)
def test_other_recipes_use_their_published_hyperparameters(name):
    gin_files.parse([f"finetune_{name}"], ["INIT_FROM=x", "TRAIN_DATA=y", "EVAL_DATA=z"])
    macros = gin_files.macros()
    names = ("BATCH_SIZE", "LEARNING_RATE", "DROPOUT", "TRAIN_STEPS", "WARMUP_STEPS", "SEQ_LENGTH")
    assert tuple(macros[name] for name in names) == OTHERS[name]


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in TABLES + EMBEDDINGS])
def test_size_files_set_rate_and_recomputation_and_batches_divide_evenly(name):
    data = ["DATA=x"] if name.removeprefix("finetune_") in GLUE else ["TRAIN_DATA=x"]
    sizes = [f"experiments/sizes/{size}.gin" for size in ("xlarge", "xxlarge")]
    gin_files.parse([name, *sizes], data)
    macros = gin_files.macros()
    assert (macros["LEARNING_RATE"], macros["RECOMPUTE"]) == (5e-6, True)
    assert macros["BATCH_SIZE"] % macros["ACCUMULATION_STEPS"] == 0


def passage(path):
    """Writes a RACE passage with one question."""
    options = [["the file", "a list", "an object", "one line"]]
    values = dict(article="see the file", questions=["What?"], options=options, answers=["A"])
    path.write_text(json.dumps(values))


SWAG = "sent1,sent2,ending0,ending1,ending2,ending3,label\nThe file,is,a,b,c,d,2\n"
# For each task: a function that writes a data file, its name, the model, and the shape of its ids
# after the batch axis.
TASKS = {
    "squad1": (lambda path: squad_file.write(path, 4, 1), "a.json", "AlbertSpanLabeler", "40"),
    "squad2": (
        lambda path: squad_file.write(path, 4, 1, 0.3), "a.json", "AlbertJointSpanLabeler", "40"
    ),
    "race_v1": (passage, "a.txt", "AlbertMultipleChoice", "4, 40"),
    "race_v2": (passage, "a.txt", "AlbertMultipleChoice", "4, 40"),
    "swag": (lambda path: path.write_text(SWAG), "a.csv", "AlbertMultipleChoice", "4, 40"),
    "conll2003": (
        lambda path: conll_file.write(path, 4, 1), "a.txt", "AlbertTokenClassifier", "40"
    ),
    "tagging": (
        lambda path: span_file.write(path, 4, 1), "a.json", "AlbertTokenClassifier", "40"
    ),
    "table": (
        lambda path: path.write_text("text,label\na file,good\na list,bad\n"), "a.csv",
        "AlbertClassifier", "40",
    ),
    "multi_label": (
        lambda path: path.write_text('{"text": "a file", "label": ["good", "new"]}\n'),
        "a.jsonl", "AlbertClassifier", "40",
    ),
    "few_shot": (
        lambda path: path.write_text("text,label\na,bad\nb,bad\nc,good\nd,good\n"), "a.csv",
        "AlbertClassifier", "2, 40",
    ),
    "pairs": (
        lambda path: path.write_text("text,second_text\na file,one\na list,two\n"), "a.csv",
        "AlbertEmbedder", "2, 40",
    ),
    "sts": (
        lambda path: path.write_text("text,second_text,label\na file,one,4.5\n"), "a.csv",
        "AlbertEmbedder", "2, 40",
    ),
    "nli_embedding": (
        lambda path: path.write_text("".join(
            f'{{"sentence1": "a", "sentence2": "{text}", "gold_label": "{label}"}}\n'
            for text, label in (("b", "entailment"), ("c", "entailment"), ("d", "contradiction"))
        )),
        "a.jsonl", "AlbertEmbedder", "3, 40",
    ),
    "simcse": (
        lambda path: path.write_text("text\na file\na list\n"), "a.csv", "AlbertEmbedder", "2, 40"
    ),
}  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_builds_its_model_and_a_batch_of_data(recipe, tmp_path, capsys):
    name = recipe.removeprefix("finetune_")
    changes = dict(FROM_SCRATCH=True, VOCAB=tiny_task.VOCAB, BUCKETED=False, SEQ_LENGTH=40)
    changes |= {f"model_config.ModelConfig.{field}": v for field, v in tiny_task.MODEL.items()}
    if name in GLUE:
        glue_file.write(tmp_path, name)
        model, axes = "AlbertClassifier", "40"
        changes["DATA"] = tmp_path
    else:
        write, file, model, axes = TASKS[name]
        write(tmp_path / file)
        changes |= dict(TRAIN_DATA=tmp_path / file, EVAL_DATA=tmp_path / file)
    capped = {"AlbertMultipleChoice": "MAX_QA_LENGTH", "Labeler": "MAX_QUERY_LENGTH"}
    changes |= {macro: 16 for part, macro in capped.items() if part in model}
    gin_files.parse([recipe], [f"{field}={value}" for field, value in changes.items()])
    macros = gin_files.macros()
    gin_files.configured(train_lib.run)(mode="train_and_eval", model_dir="none", only_describe=True)
    text = capsys.readouterr().out
    expected = (model, f"({macros['BATCH_SIZE']}, {axes})")
    expected += (f"initial_learning_rate {macros['LEARNING_RATE']}",)
    assert all(part in text for part in expected), text


@pytest.mark.parametrize(
    ("name", "macros"),
    [*((name, {}) for name in TASKS), ("table", dict(WINDOWS="mean", MAX_WINDOWS=3))],
)
def test_a_dry_run_describes_batches_of_any_length(name, macros, tmp_path, capsys):
    write, file, model, axes = TASKS[name]
    write(tmp_path / file)
    changes = dict(FROM_SCRATCH=True, VOCAB=tiny_task.VOCAB, SEQ_LENGTH=40, BATCH_SIZE=6000)
    changes |= {f"model_config.ModelConfig.{field}": v for field, v in tiny_task.MODEL.items()}
    changes |= dict(TRAIN_DATA=tmp_path / file, EVAL_DATA=tmp_path / file)
    changes |= dict(TRAIN_STEPS=9, WARMUP_STEPS=1, EVAL_INTERVAL=3, ACCUMULATION_STEPS=1)
    changes |= macros
    capped = {"AlbertMultipleChoice": "MAX_QA_LENGTH", "Labeler": "MAX_QUERY_LENGTH"}
    changes |= {macro: 16 for part, macro in capped.items() if part in model}
    gin_files.parse([f"finetune_{name}"], [f"{field}={value}" for field, value in changes.items()])
    gin_files.configured(train_lib.run)(mode="train_and_eval", model_dir="none", only_describe=True)
    text = capsys.readouterr().out
    axis = axes.removesuffix("40")
    count = int(axis.strip(", ") or 1)
    if macros:
        axis, count = "None, ", macros["MAX_WINDOWS"]
    assert f"model        {model}, " in text and f"(6000, {axis}None)" in text
    flops = float(re.search(r"compute +([\d.]+) TFLOP", text)[1])
    h, inner, e = (
        tiny_task.MODEL[f"{field}_size"] for field in ("hidden", "intermediate", "embedding")
    )
    layers = tiny_task.MODEL["num_hidden_layers"]
    products = layers * (4 * h * h + 2 * 40 * h + 2 * h * inner) + e * h
    assert flops == pytest.approx(6 * 6000 * count * 40 * products / 1e12, abs=6e-4)
