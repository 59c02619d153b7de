"""Lists the released models in the API reference."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from albert_tf.presets import PRESETS

PAGE = "api/presets.md"
MARK = "<!-- presets -->"
_SCORES = {"average": "average", "squad2.0_f1": "SQuAD 2.0 F1", "mnli": "MNLI", "race": "RACE"}


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Puts the table in the place of its mark."""
    return markdown.replace(MARK, table()) if page.file.src_uri == PAGE else markdown


def table() -> str:
    """Returns a Markdown table with a row for each preset."""
    columns = ["preset", "layers", "hidden size", "heads", "parameters", *_SCORES.values()]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, preset in PRESETS.items():
        sizes = preset.config
        row = [
            f"`{name}`",
            sizes.num_hidden_layers,
            sizes.hidden_size,
            sizes.num_attention_heads,
            f"{preset.parameters / 1e6:.1f} M",
            *(preset.scores.get(key, "") for key in _SCORES),
        ]
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(lines)
