"""`albert-tf benchmark` sends what it says, counts right, and gives advice that follows."""

import json
import shutil
import time

import numpy as np
import pytest

import albert_tf
from albert_tf.errors import InputError
from albert_tf.export import benchmark, benchmark_target, lite_model
from albert_tf.export.benchmark import Case, Times
from tests.support import served_tasks
from tests.support.commands import call, status


@pytest.mark.parametrize("kind", ["classification", "tagging", "pair_regression"])
def test_texts_have_the_number_of_tokens_that_is_asked_for(exported, kind):
    export = exported(kind)
    target = benchmark_target.load(export.path)
    assert (target.kind, target.longest) == (kind, served_tasks.LENGTH)
    tokenizer = albert_tf.AlbertTokenizer.from_pretrained(export.source)
    inputs = target.request([8, 24, 13, 9, 16])
    rows = zip(*([text.decode() for text in value.numpy()] for value in inputs.values()))
    lengths = [sum(len(tokenizer.encode(text)) for text in row) + len(inputs) + 1 for row in rows]
    # A pair has an even number of tokens without the special ones, so it may have one less.
    spare = len(inputs) - 1
    assert all(0 <= n - m <= spare for n, m in zip([8, 24, 13, 9, 16], lengths)), lengths
    outputs = target.call(inputs)
    assert all(len(value) == 5 for value in outputs)


def test_ids_have_these_lengths_too(exports):
    target = benchmark_target.load(exports / "encoder")
    inputs = target.request([7, 3])
    names = ("input_ids", "input_mask", "segment_ids")
    ids, mask, types = (inputs[name].numpy() for name in names)
    assert mask.tolist() == [[1] * 7, [1, 1, 1, 0, 0, 0, 0]] and not types.any()
    assert (ids[mask == 1] >= 5).all() and not ids[mask == 0].any()


def test_every_kind_of_export_is_measured(served):
    target = benchmark_target.load(benchmark_target.find(served.path.parent))
    times = benchmark.measure(target, Case(3, 16), seconds=0.01)
    assert times.calls >= 3 and 0 < times.p50_ms <= times.p99_ms


def sleeping(seconds):
    def call(inputs):
        time.sleep(seconds * max(inputs["lengths"]))

    return benchmark_target.Target("", "", 99, lambda lengths: {"lengths": lengths}, call)


def test_rates_count_the_texts_of_all_clients():
    times = benchmark.measure(sleeping(0.01), Case(batch=5, length=3, clients=4), seconds=0.3)
    assert 30 <= times.p50_ms <= times.p99_ms
    # 4 clients, each with 5 texts every 30 ms or, on a busy machine, more.
    assert times.calls >= 12 and times.texts <= 4 * 5 / 0.03
    assert times.texts == pytest.approx(5 * times.calls / 0.3, rel=0.7)


def test_padding_is_compared_with_a_batch_of_long_texts():
    cost = benchmark.padding(sleeping(0.001), length=32, seconds=0.1)
    assert cost["tokens"] == (32 + 7 * 4) / (8 * 32)
    assert cost["time"] == pytest.approx(1, abs=0.3)  # as this model computes padding


@pytest.mark.parametrize(
    ("rates", "most", "gain"),
    [
        ({1: 100.0, 4: 250.0, 16: 400.0}, 16, 4.0),
        ({1: 100.0, 4: 370.0, 16: 400.0}, 4, 3.7),
        ({1: 100.0, 4: 99.0, 16: 104.0}, 1, 1.0),
        ({2: 50.0, 8: 200.0}, 8, 4.0),
    ],
)
def test_the_advice_is_the_smallest_batch_that_is_nearly_the_fastest(rates, most, gain):
    times = {Case(n, 64): Times(1000 * n / rate, 99.0, rate, 9) for n, rate in rates.items()}
    times |= {Case(32, 128): Times(1.0, 1.0, 1e6, 9), Case(1, 64, 2): Times(1.0, 1.0, 1e6, 9)}
    least = min(rates)
    assert benchmark.advice(times, 64) == {
        "max_batch_size": most,
        "gain": pytest.approx(gain),
        "batch_timeout_micros": int(500 * (1000 * least / rates[least])),
    }


def rows(output):
    """Returns the words of each row of the printed table."""
    table = output.split("calls\n")[1].split("\n\n")[0]
    return [line.split() for line in table.splitlines()]


def test_the_command_prints_and_writes_the_same(exported, tmp_path, capsys):
    export = exported("classification")
    flags = ("--batch_sizes", "4,1", "--lengths", "8,24,512", "--threads", "1,3")
    call("benchmark", export.path.parent, *flags, "--seconds", "0.05", "--output", tmp_path / "b")
    results = json.loads((tmp_path / "b/benchmark.json").read_text())
    keys = [(case["batch"], case["length"], case["clients"]) for case in results["cases"]]
    assert keys == [(1, 8, 1), (4, 8, 1), (1, 24, 1), (4, 24, 1), (1, 24, 3)]  # 512 is too long
    assert results["memory_mb"]["peak"] > results["memory_mb"]["model"]
    table = [[float(word) for word in line] for line in rows(capsys.readouterr().out)]
    np.testing.assert_allclose(table, [list(case.values()) for case in results["cases"]], atol=0.06)
    assert (tmp_path / "b/benchmark.png").read_bytes()[:4] == b"\x89PNG"
    most = results["batching"]["max_batch_size"]
    config = (tmp_path / "b/batching.config").read_text()
    assert f"max_batch_size {{ value: {most} }}" in config


def test_lite_models_take_one_text(source, tmp_path, capsys):
    lite_model.export(source, tmp_path / "lite")
    call("benchmark", tmp_path / "lite", "--lengths", "8,32", "--seconds", "0.02")
    table = rows(capsys.readouterr().out)
    assert [row[:3] for row in table] == [["1", "8", "1"], ["1", "32", "1"]]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--lengths", "8;9"), "--lengths must be whole numbers above 0, separated by commas"),
        (("--batch_sizes", "0"), "--batch_sizes must be whole numbers above 0"),
        (("--threads", ""), "--threads must be whole numbers above 0.* Received ''"),
        (("--seconds", "0"), "--seconds must be above 0"),
        (("--batch_sizes", "9999"), "must keep the limits of the model. Received .*tokens"),
    ],
)
def test_wrong_flags_are_errors(exported, capsys, flags, message):
    path = exported("classification").path
    defaults = ("--lengths", "24", "--seconds", "0.01")
    assert status("benchmark", path, *defaults, *flags) == 2
    error = capsys.readouterr().err
    with pytest.raises(InputError, match=message):
        raise InputError(error)


def test_folders_that_are_no_exports_are_errors(exported, tmp_path, capsys):
    assert status("benchmark", tmp_path) == 2
    assert (
        "neither saved_model.pb nor model.tflite. Export the model first" in capsys.readouterr().err
    )
    shutil.copytree(exported("classification").path, tmp_path / "1")
    data = (tmp_path / "1/saved_model.pb").read_bytes()
    (tmp_path / "1/saved_model.pb").write_bytes(data[: len(data) // 2])
    assert status("benchmark", tmp_path) == 2
    assert "must be a complete SavedModel with the signature" in capsys.readouterr().err
