import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time

import psutil
import pytest

from albert_tf.errors import InputError
from albert_tf.pretraining.records import manifest as manifests
from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.pretraining.records.pretraining_data import build
from tests.support.pretraining_corpus import CORPUS, VOCAB, digests


@pytest.mark.clean_process
def test_rerunning_the_command_finishes_a_killed_build(tmp_path):
    code = (
        "import sys; from albert_tf.pretraining.records.pretraining_data import build;"
        "from albert_tf.pretraining.records.build_settings import BuildSettings as S;"
        "settings = S(max_seq_length=32, dupe_factor=2, shards=40)\n"
        "if __name__ == '__main__': build(*sys.argv[1:4], settings, workers=2)"
    )
    directory = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", code, CORPUS, VOCAB, directory])
    try:
        limit = time.monotonic() + 120
        while len(list(directory.glob("instances-*"))) < 4 and time.monotonic() < limit:
            time.sleep(0.002)
    finally:
        workers = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert len(workers) >= 2
    assert not psutil.wait_procs(workers, timeout=20)[1]  # All workers have exited.
    stopped = manifests.read(directory)
    assert not stopped["complete"]
    assert 0 < len(stopped["shards"]) < 40
    finished = [name for shard in stopped["shards"].values() for name in shard["sha256"]]
    before = {name: (directory / name).stat().st_mtime_ns for name in finished}
    (directory / ".instances-00079-of-00080.tfrecord.left").write_text("half a file")
    settings = BuildSettings(max_seq_length=32, dupe_factor=2, shards=40)
    build(str(CORPUS), VOCAB, directory, settings)
    build(str(CORPUS), VOCAB, tmp_path / "whole", settings)
    assert digests(directory) == digests(tmp_path / "whole")
    assert before == {name: (directory / name).stat().st_mtime_ns for name in finished}


def full_disk(done, total):
    """Simulates a full disk: no file of this process can grow beyond 10 kB."""
    if done["instances"] > 400:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))


def killed_worker(done, total):
    if done["instances"] > 400:
        for process in multiprocessing.active_children():
            process.kill()


@pytest.mark.parametrize(
    "disturb, message",
    [
        (full_disk, "written completely. Received .* '.*out': .*too large. Finished.*are kept"),
        (killed_worker, "must run until.*one was killed.*same command again"),
    ],
)
def test_an_interrupted_build_resumes(tmp_path, ten_shards, undisturbed, disturb, message):
    directory = tmp_path / "out"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(InputError, match=message):
            build(str(CORPUS), VOCAB, directory, ten_shards, workers=2, progress=disturb)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    stopped = manifests.read(directory)
    assert 0 < len(stopped["shards"]) < 10
    for shard in stopped["shards"].values():
        assert shard["sha256"].items() <= digests(directory).items() & undisturbed.items()
    build(str(CORPUS), VOCAB, directory, ten_shards)
    assert digests(directory) == undisturbed
