import json
from pathlib import Path

import pytest
from official.core import config_definitions as cfg

from albert_tf.errors import InputError
from albert_tf.training import early_stop
from albert_tf.training.stopping import StopTraining


def settings(metric="f1", is_="higher"):
    return cfg.TrainerConfig(best_checkpoint_eval_metric=metric, best_checkpoint_metric_comp=is_)


@pytest.mark.parametrize(
    ("is_", "values"), [("higher", [0.5, 0.7, 0.6, 0.7]), ("lower", [3.0, 1.0, 2.0, 1.0])]
)
def test_the_run_ends_after_evaluations_that_are_not_the_best(is_, values, tmp_path):
    (action,) = early_stop.actions(settings(is_=is_), 2, tmp_path)
    for value in values[:-1]:
        action({"f1": value})
    with pytest.raises(
        StopTraining, match=rf"f1 was not better than {values[1]:.4f} in the last 2"
    ):
        action({"f1": values[-1]})


def test_evaluations_before_a_stop_count(tmp_path):
    lines = [dict(split="validation", step=s, f1=v) for s, v in ((2, 0.9), (4, 0.8))]
    text = "\n".join(json.dumps(line) for line in [dict(split="train", step=2), *lines])
    Path(tmp_path, "history.jsonl").write_text(text)
    (action,) = early_stop.actions(settings(), 2, tmp_path)
    with pytest.raises(StopTraining, match="0.9000"):
        action({"f1": 0.85})


def test_patience_needs_a_metric(tmp_path):
    assert early_stop.actions(settings(), 0, tmp_path) == []
    for metric, patience in (("", 2), ("f1", -1)):
        with pytest.raises(InputError, match=f"PATIENCE={patience} with BEST_METRIC={metric!r}"):
            early_stop.actions(settings(metric), patience, tmp_path)
