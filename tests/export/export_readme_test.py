"""The tables in the README agree with the table of signatures in the code."""

import re
from pathlib import Path

import pytest

from albert_tf.export import hub_encoder
from albert_tf.serving import signatures

README = Path(hub_encoder.__file__).with_name("README.md").read_text(encoding="utf-8")


def rows(section):
    """Returns the signature table of a section, with name, inputs and outputs in each row."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    table = text.split("| signature |")[1].split("\n\n")[0]
    cells = re.findall(r"^\| `(\w+)` \|(.*?)\|(.*?)\|$", table, re.MULTILINE)
    return [tuple(cell.strip() for cell in row) for row in cells]


@pytest.mark.parametrize(
    ("section", "table"),
    [("Encoder", signatures.ENCODER), ("Preprocessor", signatures.PREPROCESSOR)],
)
def test_the_readme_lists_every_signature(section, table):
    def text(specs):
        return ", ".join(f"`{name}` {spec}" for name, spec in specs.items())

    assert rows(section) == [
        (name, text(signature.inputs), text(signature.outputs)) for name, signature in table.items()
    ]


def test_the_readme_lists_every_family_of_input_names():
    for family in signatures.FAMILIES:
        assert "| " + " | ".join(f"`{name}`" for name in family) + " |" in README
