"""Where the checkout and the test data lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTDATA = ROOT / "tests/testdata"
