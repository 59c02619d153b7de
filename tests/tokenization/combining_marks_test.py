import re
import unicodedata

from albert_tf.tokenization import combining_marks


def test_frozen_code_points_match_unicode_14():
    pattern = re.compile(combining_marks.PYTHON_PATTERN)
    frozen = {c for c in range(0x110000) if pattern.match(chr(c))}
    assert len(frozen) == 912
    here = {c for c in range(0x110000) if unicodedata.combining(chr(c))}
    version = tuple(map(int, unicodedata.unidata_version.split(".")))
    # Classes never change once assigned; other versions only have more or fewer characters.
    if version >= (14, 0, 0):
        assert frozen <= here
    if version <= (14, 0, 0):
        assert here <= frozen


def test_printed_ranges_have_the_frozen_format():
    printed = combining_marks.ranges_of_this_python().split()
    assert printed[:2] == ["0300-034E", "0350-036F"]
    assert len(set(printed) & set(combining_marks.RANGES.split())) > 150
