"""The tables of docs/contracts.md are those of `signatures`."""

import re

import pytest

from albert_tf.serving import signatures
from tests.support.paths import ROOT

CONTRACTS = (ROOT / "docs/contracts.md").read_text(encoding="utf-8")


def rows(section):
    """The rows of a section's table of signatures: name, inputs, outputs."""
    text = CONTRACTS.split(f"\n## {section}\n")[1].split("\n## ")[0]
    table = text.split("| signature |")[1].split("\n\n")[0]
    cells = re.findall(r"^\| `(\w+)` \|(.*?)\|(.*?)\|$", table, re.MULTILINE)
    return [tuple(cell.strip() for cell in row) for row in cells]


@pytest.mark.parametrize(
    ("section", "table"),
    [("Hub encoder", signatures.ENCODER), ("Preprocessor", signatures.PREPROCESSOR)],
)
def test_the_readme_lists_every_signature(section, table):
    def text(specs):
        return ", ".join(f"`{name}` {spec}" for name, spec in specs.items())

    assert rows(section) == [
        (name, text(signature.inputs), text(signature.outputs)) for name, signature in table.items()
    ]


def test_the_readme_lists_every_family_of_input_names():
    for family in signatures.FAMILIES:
        assert "| " + " | ".join(f"`{name}`" for name in family) + " |" in CONTRACTS
