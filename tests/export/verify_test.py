import numpy as np
import pytest

from albert_tf.export import verify
from albert_tf.export.verify import Case, VerificationError

EXPECTED = np.array([[0.5, -20.0, 3.0]], np.float32)


@pytest.fixture
def answer(monkeypatch):
    """Outputs that `verify` receives, set by each test, instead of those of a process."""
    arrays = {}
    monkeypatch.setattr(verify, "run", lambda path, requests: arrays)
    return arrays


def check(expected=EXPECTED):
    return verify.verify("artefact", [Case("mlm", {}, {"logits": expected})])


def test_the_largest_difference_is_returned_and_printed(answer, capsys):
    answer["mlm:logits"] = EXPECTED + np.array([[0.0, 0.0, -5e-4]], np.float32)
    assert check() == pytest.approx(5e-4, rel=1e-3)
    assert "1 calls, largest difference 5.0e-04" in capsys.readouterr().out


def test_the_tolerance_grows_only_with_large_values(answer):
    answer["mlm:logits"] = EXPECTED + np.float32(2.5e-3)  # The limit is 1e-4 * 20 = 2e-3.
    with pytest.raises(VerificationError, match=r"than 2.0e-03. Received 'mlm:logits'.* 2.5e-03"):
        check()
    answer["mlm:logits"] = EXPECTED * np.float32(0.01) + np.float32(5e-4)
    with pytest.raises(VerificationError, match="by more than 1.0e-04"):
        check(EXPECTED * np.float32(0.01))


def test_nan_is_rejected(answer):
    answer["mlm:logits"] = np.full_like(EXPECTED, np.nan)
    with pytest.raises(VerificationError, match="with a difference of nan"):
        check()


def test_ids_must_be_equal(answer):
    ids = np.array([[7, 8]], np.int32)
    answer["mlm:logits"] = ids + 1
    with pytest.raises(VerificationError, match="must equal that of the source. Received 'mlm:log"):
        check(ids)
    answer["mlm:logits"] = ids
    assert check(ids) == 0.0


def test_another_shape_or_type_is_rejected(answer):
    answer["mlm:logits"] = EXPECTED[0]
    with pytest.raises(VerificationError, match=r"float32 \(3,\) instead of float32 \(1, 3\)"):
        check()
    answer["mlm:logits"] = EXPECTED.astype(np.int32)
    with pytest.raises(VerificationError, match="int32"):
        check()


def test_a_missing_output_is_rejected(answer):
    answer["mlm:other"] = EXPECTED
    with pytest.raises(VerificationError, match=r"\['mlm:other'\] without 'mlm:logits'"):
        check()


def test_the_error_for_a_failed_process_contains_its_output(monkeypatch, tmp_path):
    program = tmp_path / "clean_process.py"
    program.write_text("raise SystemExit('no such op: Foo')")
    monkeypatch.setattr(verify, "PROGRAM", program)
    with pytest.raises(VerificationError, match="'artefact'.* status 1:\nno such op: Foo"):
        check()


def test_inputs_reach_the_process_and_outputs_are_returned(monkeypatch, tmp_path):
    program = tmp_path / "clean_process.py"
    program.write_text(
        "import sys, numpy as np\n"
        "request = np.load(sys.argv[2])\n"
        "answer = {'path': np.array(sys.argv[1]), **request}\n"
        "np.savez(sys.argv[3], **answer)\n"
    )
    monkeypatch.setattr(verify, "PROGRAM", program)
    answer = verify.run("artefact", {"signatures/mlm": {"ids": np.array([[7, 8]])}, "info": {}})
    assert set(answer) == {"path", "signatures/mlm:", "signatures/mlm:ids", "info:"}
    assert answer["signatures/mlm:ids"].tolist() == [[7, 8]]
    assert str(answer["path"]) == "artefact"
