"""The benchmark of int8, on a tiny model and in this process."""

import argparse
import threading
from multiprocessing import Pipe

import numpy as np
import pytest

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from benchmarks import artefacts, interleaved, machine, quantisation, systems, traffic, worker
from tests.support import tiny_task

CONFIG = AlbertConfig(**{**tiny_task.MODEL, "max_position_embeddings": 128})
LITE, STATIC = systems.LITE_INT8, systems.LITE_STATIC
ORT = ("ONNX Runtime", "ONNX Runtime, int8", "ONNX Runtime, int8, reduced range")
OPENVINO = ("OpenVINO", "OpenVINO, int8 weights", "OpenVINO, int8")
TORCH = ("transformers", "transformers, int8")
SHAPES = {"3x128": traffic.Shape(3, 128), "5x20-pairs": traffic.Shape(5, 20, (3, 9, 20))}


def _here(function, *args):
    try:
        function(*args)
    except Exception as error:  # as in another process
        raise worker.Failed(f"Traceback\n{type(error).__name__}: {error}") from error


class Local:
    """A worker without a process of its own."""

    cpu_seconds, peak_memory = 0.25, 100.0

    def __init__(self, load, folder):
        _here(lambda: setattr(self, "_bind", load(folder)))

    def bind(self, batch):
        _here(lambda: setattr(self, "_outputs", self._bind(batch)()))
        return [np.asarray(output) for output in self._outputs]

    def run(self, calls):
        return 0.5

    def stop(self):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The models that TensorFlow writes."""
    root = tmp_path_factory.mktemp("quantisation")
    artefacts.tensorflow_formats(CONFIG, root, quantisation.FORMATS)
    return root


@pytest.fixture
def measure(folder, monkeypatch):
    """Measures systems with shapes of this test."""
    monkeypatch.setattr(quantisation, "Worker", Local)
    monkeypatch.setattr(quantisation, "in_process", lambda *_: None)  # see `folder`
    monkeypatch.setattr(worker, "in_process", _here)
    monkeypatch.setattr(traffic, "SHAPES", SHAPES)

    def run(*names, shapes=tuple(SHAPES)):
        args = argparse.Namespace(
            source=None, systems=[systems.OURS, *names], shapes=shapes, rounds=2, clock="wall"
        )
        text = quantisation.measure(CONFIG, folder, args)
        cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:2] == "| "]
        return text, {(i, row[0]): row[1:] for i, row in _numbered(cells)}

    return run


def _numbered(cells):
    """Yields each row of a table with the name of its shape."""
    table = -1
    for row in cells:
        if row[0] == "system":
            table += 1
        else:
            yield list(SHAPES)[table], row


def test_drift_is_that_of_real_tokens(measure, folder, monkeypatch):
    batch = traffic.batch(SHAPES["5x20-pairs"], CONFIG.vocab_size)
    real = batch["input_mask"] == 1
    monkeypatch.setattr(traffic, "batch", lambda *_: batch)
    sequence = np.asarray(systems.saved_model(folder)(batch)()[0])

    def shifted(folder):
        outputs = np.where(real[..., np.newaxis], sequence, 7.0)  # at padding, anything goes
        outputs[0, 1, 2] += 0.25
        outputs[3, 0, 0] -= 0.125
        return lambda batch: lambda: (outputs, None)

    monkeypatch.setitem(systems.SYSTEMS, "shifted", shifted)
    _, rows = measure("shifted", shapes=["5x20-pairs"])
    wanted = np.hypot(0.25, 0.125) / np.sqrt((sequence[real] ** 2).sum())
    rate, ratio = f"{real.sum() / 0.5:.0f}", "1.00 (1.00 to 1.00)"
    (shifted_row,) = [row for (_, name), row in rows.items() if name == "shifted"]
    assert shifted_row == ["500.0", rate, ratio, "2.5e-01", f"{wanted:.1e}", "100"]


def test_systems_that_cannot_run_are_named_with_the_reason(measure, monkeypatch):
    def missing(folder):
        raise ImportError("No module named 'peer'")

    ran = []

    def fails(folder):
        raise OSError("disk full")

    writers = {fails: {"ONNX Runtime", *OPENVINO}, lambda folder: ran.append(folder): {"OpenVINO"}}
    monkeypatch.setattr(artefacts, "WRITERS", writers)
    monkeypatch.setitem(systems.SYSTEMS, "missing", missing)
    text, rows = measure("ONNX Runtime", "OpenVINO", "missing", STATIC, LITE)
    assert "\n\nONNX Runtime: skipped: OSError: disk full\n" in text
    assert "OpenVINO: skipped: OSError: disk full" in text and not ran
    assert "missing: skipped: ImportError: No module named 'peer'" in text
    assert f"{STATIC}: skipped: ValueError: this model is for rows of 128 tokens" in text
    measured = {(shape, name) for shape in SHAPES for name in (systems.OURS, LITE)}
    assert rows.keys() == measured | {("3x128", STATIC)}
    for shape in SHAPES:
        assert 1e-4 < float(rows[shape, LITE][4]) < 5e-2
    assert float(rows["3x128", STATIC][4]) > float(rows["3x128", LITE][4])


@pytest.mark.parametrize(
    "modules, names",
    [
        (["onnx", "onnxruntime", "torch", "transformers"], ORT),
        (["onnx", "openvino", "nncf", "torch", "transformers"], OPENVINO),
        (["torch", "transformers"], TORCH),
    ],
)
def test_int8_of_peers_is_close_to_float32(measure, modules, names, monkeypatch):
    monkeypatch.setenv("TEMPORARILY_DISABLE_PROTOBUF_VERSION_CHECK", "true")
    for module in modules:
        pytest.importorskip(module)
    text, rows = measure(*names)
    assert "skipped" not in text
    for shape in SHAPES:
        assert float(rows[shape, names[0]][3]) < 1e-5
        for name in names[1:]:
            assert 1e-4 < float(rows[shape, name][4]) < 5e-2


def _arguments(monkeypatch, *flags):
    monkeypatch.setattr("sys.argv", ["quantisation", *flags])
    return quantisation._arguments()


def test_arguments(monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert _arguments(monkeypatch, "--systems", LITE, LITE).systems == [systems.OURS, LITE]
    assert set(quantisation.DEFAULT) <= set(systems.SYSTEMS)
    for flags, message in {
        ("--systems", "OpenVino"): "--systems must be known names. Received 'OpenVino'. "
        "Closest: OpenVINO",
        ("--threads", "4"): "--threads must be from 1 to 3, the cores here. Received 4.",
        ("--threads", "0"): "--threads must be from 1 to 3, the cores here. Received 0.",
        ("--rounds", "0"): "--rounds must be at least 1. Received 0.",
    }.items():
        with pytest.raises(InputError) as error:
            _arguments(monkeypatch, *flags)
        assert str(error.value).startswith(message)


def test_padded_traffic_has_the_share_of_real_tokens_that_the_table_says():
    batch = traffic.batch(traffic.SHAPES["32x128-pairs"], 1000)
    assert 0.30 < batch["input_mask"].mean() < 0.33
    assert traffic.batch(traffic.SHAPES["1x16"], 1000)["input_ids"].shape == (1, 16)


def test_turns_last_as_long_as_asked_and_use_the_clock(monkeypatch):
    class Timed(Local):
        asked = []

        def __init__(self, seconds, cpu):
            self.seconds, self.cpu_seconds = seconds, cpu

        def run(self, calls):
            self.asked.append(calls)
            return self.seconds

    monkeypatch.setattr(interleaved, "SECONDS_A_TURN", 2.0)
    workers = {"quick": Timed(0.25, 0.5), "slow": Timed(3.0, 4.0)}
    wall = interleaved.take_turns(workers, 2)
    assert wall == {"quick": [0.25, 0.25], "slow": [3.0, 3.0]}
    assert Timed.asked == [1, 1, 8, 1, 8, 1]
    assert interleaved.take_turns(workers, 1, "cpu") == {"quick": [0.5], "slow": [4.0]}


def test_a_worker_survives_a_batch_that_fails():
    def load(folder):
        def bind(batch):
            if batch["x"].sum() < 0:
                raise ValueError("negative")
            return lambda: (batch["x"] * 2,)

        return bind

    ours, theirs = Pipe()
    thread = threading.Thread(target=worker._serve, args=(theirs, load, None))
    thread.start()
    assert ours.recv()[0] == "ok"
    ours.send(("bind", ({"x": np.array([-1, 0])}, 0)))
    kind, message = ours.recv()
    assert kind == "error" and message.strip().endswith("ValueError: negative")
    ours.send(("bind", ({"x": np.array([1, 2, 3])}, 1)))
    kind, (_, outputs) = ours.recv()
    assert kind == "ok" and outputs[0].tolist() == [2, 4, 6]
    ours.send(("run", 3))
    _, (wall, cpu, peak) = ours.recv()
    assert 0 <= wall < 1 and 0 <= cpu < 1 and peak >= machine.memory("VmRSS") * 0.9
    ours.close()
    thread.join(5)
    assert not thread.is_alive()


def test_the_processor_is_described_by_the_instructions_for_products(tmp_path, monkeypatch):
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "Path", lambda _: info)
    info.write_text("model name\t: Fast 3\nflags\t\t: fpu avx2 sse avx512_vnni avx_vnni amx_tile\n")
    assert machine._processor() == "Fast 3 (avx2, avx_vnni, avx512_vnni)"
    info.write_text("processor\t: 0\nFeatures\t: fp asimd crc32 asimddp\n")
    assert machine._processor().endswith(" (asimd, asimddp)")


def test_use_cores(monkeypatch):
    chosen = []
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {5, 3, 9}, raising=False)
    monkeypatch.setattr(
        machine.os, "sched_setaffinity", lambda _, cores: chosen.append(cores), raising=False
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    machine.use_cores(2)
    assert chosen == [[3, 5]] and machine.os.environ["OMP_NUM_THREADS"] == "2"
