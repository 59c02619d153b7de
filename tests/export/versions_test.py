import pytest

from albert_tf.errors import InputError
from albert_tf.export import versions


def test_the_next_version_is_one_more_than_the_highest_number(tmp_path):
    assert versions.folder(tmp_path / "new") == tmp_path / "new/1"
    for name in ("2", "0010", "v11", ".12.part", "x"):
        (tmp_path / name).mkdir()
    assert versions.folder(tmp_path).name == "11"
    assert versions.folder(tmp_path, "007").name == "7"


@pytest.mark.parametrize("version", ["v1", "1.0", "-1", "", "٣", str(2**63)])
def test_the_server_would_ignore_other_names(tmp_path, version):
    with pytest.raises(InputError, match="must be a whole number.*Received '.*Leave it out"):
        versions.folder(tmp_path, version)
