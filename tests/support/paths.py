"""Paths of the checkout and the test data."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTDATA = ROOT / "tests/testdata"
