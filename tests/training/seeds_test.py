import json

import pytest

from albert_tf.errors import InputError
from albert_tf.training import sweep

SCORES = {5: 0.5, 7: 0.9, 1: 0.6}


def test_each_seed_runs_once_and_median_and_best_are_reported(tmp_path):
    runs = []

    def metric(folder):
        return "f1", SCORES[int(folder.name.removeprefix("seed_"))]

    def run(seed, folder):
        runs.append((seed, folder.name))

    sweep.run_seeds([5, 7], tmp_path, run, metric)
    summary = sweep.run_seeds([5, 7, 1], tmp_path, run, metric)
    assert runs == [(5, "seed_5"), (7, "seed_7"), (1, "seed_1")]
    assert summary == json.loads((tmp_path / "seeds.json").read_text())
    assert (summary["median"], summary["least"], summary["best"]) == (0.6, 0.5, 0.9)
    assert "median 0.6000, least 0.5000, best 0.9000 in seed_7" in sweep.seeds_text(summary)


@pytest.mark.parametrize("text", ["", "1,x", "1,1", "1;2"])
def test_seeds_must_be_different_whole_numbers(text):
    with pytest.raises(InputError, match="different whole numbers"):
        sweep.parse_seeds(text)
    assert sweep.parse_seeds("3, 1") == [3, 1]
