"""Gin files and overrides: unknown names are errors before anything runs."""

import re

import gin
import pytest

from albert_tf import train_lib
from albert_tf.errors import InputError
from albert_tf.training import gin_files

SET = ["VOCAB=v", "TRAIN_DATA=t-*", "EVAL_DATA=e-*"]


def test_overrides_take_precedence_and_strings_need_no_quotes():
    gin_files.parse(["pretrain_tiny"], [*SET, "TRAIN_STEPS=7", "LEARNING_RATE=0.5", "SEED=3"])
    assert gin.query_parameter("TRAIN_STEPS/gin.macro.value") == 7
    assert gin.query_parameter("TRAIN_DATA/gin.macro.value") == "t-*"
    text = gin.config_str()
    assert "LEARNING_RATE = 0.5" in text and "TRAIN_DATA = 't-*'" in text


def test_an_override_can_set_a_binding():
    gin_files.parse(["pretrain_tiny"], [*SET, "model_config.ModelConfig.hidden_size=36"])
    assert gin.query_parameter("model_config.ModelConfig.hidden_size") == 36


@pytest.mark.parametrize(
    ("files", "overrides", "message"),
    [
        (
            ["pretrain_tiny"],
            [*SET, "TRIAN_STEPS=1"],
            "Received 'TRIAN_STEPS'. Closest: TRAIN_STEPS",
        ),
        (["pretrain_tiny"], SET[:1], "macros must be set. Missing: EVAL_DATA, TRAIN_DATA. Add --g"),
        (["pretrain_tiny"], [*SET, "optimization.config.rate=1"], "a parameter named 'rate'"),
        (["pretrain_tiny"], [*SET, "no.such.thing=1"], "use existing names only. .*no.such.thing"),
        (["pretrain_tiny"], [*SET, "SEED"], "the form --gin.NAME=VALUE. Received --gin.SEED"),
        (["pretrain_tinny"], SET, "Received 'pretrain_tinny'. Closest: pretrain_tiny"),
    ],
)
def test_unknown_names_are_errors(files, overrides, message):
    with pytest.raises(InputError, match=message):
        gin_files.parse(files, overrides)


def test_a_user_file_can_include_a_recipe(tmp_path):
    path = tmp_path / "mine.gin"
    path.write_text("include 'experiments/recipes/pretrain_tiny.gin'\nBATCH_SIZE = 5\n")
    gin_files.parse([str(path)], SET)
    assert gin.query_parameter("BATCH_SIZE/gin.macro.value") == 5


@pytest.mark.parametrize(
    "line",
    ["no_module.config.rate = 1", "run/no_module.config:\n  rate = 1", "SEED = @no_module.x()"],
)
def test_a_file_that_uses_a_module_without_importing_it_is_an_error(tmp_path, line):
    path = tmp_path / "mine.gin"
    head = "from __gin__ import dynamic_registration\nfrom albert_tf.training import epochs\n"
    path.write_text(f"include 'experiments/recipes/pretrain_tiny.gin'\n{head}{line}\n")
    with pytest.raises(InputError, match="use existing names only. Received .*no_module"):
        gin_files.parse([str(path)], SET)


def test_a_file_that_configures_nothing_is_an_error(tmp_path):
    path = tmp_path / "empty.gin"
    path.write_text("# nothing\n")
    gin_files.parse([str(path)], [])
    with pytest.raises(InputError, match="must configure albert_tf.train_lib.run"):
        gin_files.configured(train_lib.run)


def test_no_file_binds_a_macro_twice():
    files = [p for root in gin_files.ROOTS[:1] for p in (root / "experiments").rglob("*.gin")]
    assert len(files) >= 6
    for path in files:
        bound = re.findall(r"^([A-Z][A-Z0-9_]*) =", path.read_text(), re.MULTILINE)
        assert len(bound) == len(set(bound)), path


TABLE = ["INIT_FROM=x", "TRAIN_DATA=t.csv", "EVAL_DATA=e.csv", "TRAIN_STEPS=9", "WARMUP_STEPS=1"]
TABLE += ["EVAL_INTERVAL=3"]


def parsed(*overrides):
    """Returns the experiment of finetune_table with overrides, without running it."""
    gin_files.parse(["finetune_table"], [*TABLE, *overrides])
    with gin.config_scope(None):
        return gin.get_bindings("albert_tf.train_lib.run")["experiment"]


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("INIT_FROM=2024", "init_from", "2024"),
        ("INIT_FROM=007", "init_from", "007"),
        ("TEXT=0", "text", "0"),
        ("TEXT=1.50", "text", "1.50"),
        ("LABEL=True", "label", "True"),
        ("LABELS=[neg,pos]", "labels", ["neg", "pos"]),
        ("LABELS=neg, pos", "labels", ["neg", "pos"]),
        ("LABELS=neg", "labels", ["neg"]),
        ("LABELS=[0, 1.50]", "labels", ["0", "1.50"]),
        ("LABELS=['a,b', 'c']", "labels", ["a,b", "c"]),
        ("HEADER=id,score,text", "header", ["id", "score", "text"]),
        ("DROPOUT=0", "hidden_dropout", 0),
        ("DROPOUT=None", "hidden_dropout", None),
        ("run/fine_tuning_config.with_fields.vocab_file=7", "vocab_file", "7"),
    ],
)
def test_values_get_the_type_of_what_they_configure(override, field, value):
    found = getattr(parsed(override).task, field)
    assert (type(found), found) == (type(value), value)


def test_whole_numbers_may_be_written_with_a_point():
    experiment = parsed("BATCH_SIZE=8.0", "SEED=3.0", "TRAIN_DATA=['a.csv', 'b.csv']")
    data = experiment.task.train_data
    assert (data.global_batch_size, data.seed) == (8, 3)
    assert isinstance(data.global_batch_size, int) and list(data.input_path) == ["a.csv", "b.csv"]


WRONG = [
    ("LEARNING_RATE=abc", "LEARNING_RATE must be a number. Received LEARNING_RATE='abc'. Set"),
    ("LEARNING_RATE=1e400", "LEARNING_RATE must be a number. Received LEARNING_RATE=inf"),
    ("LEARNING_RATE=nan", "LEARNING_RATE must be a number. Received LEARNING_RATE='nan'"),
    ("BATCH_SIZE=8.5", "BATCH_SIZE must be a whole number. Received BATCH_SIZE=8.5"),
    ("BATCH_SIZE=True", "BATCH_SIZE must be a whole number. Received BATCH_SIZE=True"),
    ("EVAL_STEPS=None", "EVAL_STEPS must be a whole number. Received EVAL_STEPS=None"),
    (f"TRAIN_STEPS={10**30}", "TRAIN_STEPS must be a whole number. Received TRAIN_STEPS=1000"),
    ("TEXT=None", "TEXT must be text. Received TEXT=None"),
    ("TEXT=[a]x", None),
    ("TEXT=['a']", r"TEXT must be text. Received TEXT=\['a'\]"),
    ("LABELS=3", "LABELS must be a list of texts. Received LABELS=3"),
    ("RECOMPUTE=true", "RECOMPUTE must be True or False. Received RECOMPUTE='true'"),
    ("DROPOUT=x", "DROPOUT must be a number or None. Received DROPOUT='x'"),
    ("TASK=tagging", "TASK must be a reference to a FineTuningConfig, such as @FineT.*'tagging'"),
    ("cfg.TrainerConfig.train_steps=x", "TrainerConfig.train_steps must be a whole number"),
    (
        "BATCH_SIZE=%NOPE",
        "% must name a macro. Received %NOPE in EVAL_BATCH_SIZE|BATCH_SIZE. .*All",
    ),
    ("BATCH_SIZE=%BATCH_SIZES", "Received %BATCH_SIZES .*Closest: BATCH_SIZE"),
    ("BATCH_SIZE=%EVAL_BATCH_SIZE", "circle. Received .*BATCH_SIZE -> EVAL_BATCH_SIZE -> "),
    ("BATCH_SIZE=@epochs.steps()", "circle. Received BATCH_SIZE -> steps -> BATCH_SIZE. Set one"),
    ("batch_size=3", "must set a macro that the gin files define. Received 'batch_size'"),
    (
        "trian/fine_tuning_config.FineTuningDataConfig.seed=7",
        "no @trian/... in the files. Closest: train",
    ),
    ("EVALUATIONS=0", None),
]


@pytest.mark.parametrize(("override", "message"), WRONG)
def test_wrong_values_are_errors_of_one_line(override, message):
    if message is None:
        parsed(override)
        return
    with pytest.raises(InputError, match=message) as raised:
        parsed(override)
    assert "\n" not in str(raised.value)


VALUES = ["8", "2.5", "abc", "[1]", "None", "@x()"]


@pytest.mark.parametrize("recipe", ["finetune_squad2", "pretrain_tiny"])
def test_no_value_of_any_macro_is_an_unexpected_error(recipe):
    sound = [*SET, "INIT_FROM=x", "TRAIN_STEPS=9", "WARMUP_STEPS=1", "EVAL_INTERVAL=3"]
    gin_files.parse([recipe], sound)
    for name in gin_files.macros():
        for value in VALUES:
            try:
                gin_files.parse([recipe], [*sound, f"{name}={value}"])
                gin.get_bindings("albert_tf.train_lib.run")
            except InputError as error:
                assert "\n" not in str(error).split("\n  In call to")[0], (name, value)


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.gin").write_text(text)


def test_files_are_included_from_their_own_folder_and_recipes_by_name(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write(tmp_path, base="include 'pretrain_tiny'\nBATCH_SIZE = 5\n")
    write(tmp_path, mine="include 'base.gin'\nSEED = 4\n")
    gin_files.parse([str(tmp_path / "mine.gin")], SET)
    macros = gin_files.macros()
    assert (macros["BATCH_SIZE"], macros["SEED"], macros["TRAIN_STEPS"]) == (5, 4, 2500)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("include 'mine.gin'", "include each other in a circle. Received .*mine.gin -> .*mine.gin"),
        ("include 'bse.gin'", "An include in '.*mine.gin' must be an existing file .*'bse.gin'"),
        (
            "include 'pretrain_tiny'\nTRIAN_STEPS = 5",
            "'TRIAN_STEPS', which none uses. Closest: TRA",
        ),
        ("include 'pretrain_tiny'\nSEED = [1", "may use existing names only"),
        ("include 'pretrain_tiny'\nimport nowhere.at_all", "No module named 'nowhere'"),
        (
            "include 'finetune_table'\nimport albert_tf.tasks.fine_tuning_config as f\n"
            "evl/f.FineTuningDataConfig.seed = 1",
            "'evl/.*' *, but no @evl/... in the files. Closest: eval|may use existing names only",
        ),
        ("\xff", "may use existing names only"),
    ],
)
def test_wrong_files_are_errors_of_one_line(text, message, tmp_path):
    (tmp_path / "mine.gin").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message) as raised:
        gin_files.parse([str(tmp_path / "mine.gin")], [])
    assert "\n" not in str(raised.value)
