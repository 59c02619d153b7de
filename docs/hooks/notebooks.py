"""Shows the notebooks of examples/ with the outputs stored in them; nothing is executed."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FOLDER = Path(__file__).parents[2] / "examples"
INDEX = "examples.md"
MARK = "<!-- notebooks -->"

# The order of the navigation; other notebooks follow by name.
FIRST = ("classify_with_keras", "finetune_and_serve", "question_answering", "convert_weights")

_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the notebooks to the navigation, behind the page that lists them."""
    for entry in config.nav or []:
        for title, pages in entry.items():
            if isinstance(pages, list) and INDEX in pages:
                entry[title] = [INDEX, *(f"examples/{path.stem}.md" for path in notebooks())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page for each notebook, and the pictures that it shows."""
    for path in notebooks():
        text, pictures = page(json.loads(path.read_text(encoding="utf-8")), path.stem)
        files.append(File.generated(config, f"examples/{path.stem}.md", content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, f"examples/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lists the notebooks on the page of examples."""
    if page.file.src_uri != INDEX:
        return markdown
    rows = ["| notebook | contents |", "|---|---|"]
    for path in notebooks():
        title, summary = heading(json.loads(path.read_text(encoding="utf-8")), path.stem)
        rows.append(f"| [{title}](examples/{path.stem}.md) | {summary} |")
    return markdown.replace(MARK, "\n".join(rows) if len(rows) > 2 else "")


def notebooks() -> list[Path]:
    """Returns the notebooks in the order of the navigation."""
    rank = {name: i for i, name in enumerate(FIRST)}
    return sorted(FOLDER.glob("*.ipynb"), key=lambda p: (rank.get(p.stem, len(rank)), p.stem))


def heading(notebook: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Returns the title of a notebook and the first paragraph behind it."""
    first = next(
        (_text(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"), ""
    )
    title, _, rest = first.strip().partition("\n")
    title = title.lstrip("# ").strip() or name
    return title, " ".join(rest.strip().split("\n\n")[0].split())


def page(notebook: Mapping[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """Returns the Markdown of a notebook, and its pictures by file name."""
    pictures: dict[str, bytes] = {}
    blocks = []
    for cell in notebook["cells"]:
        source = _text(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            blocks.append(source)
        elif cell["cell_type"] == "code" and source:
            language = "shell" if source.startswith(("!", "%%bash")) else "python"
            blocks.append(f"```{language}\n{source}\n```")
            blocks += _outputs(cell.get("outputs", []), name, pictures)
    return "\n\n".join([*blocks, f"*The notebook is `examples/{name}.ipynb`.*\n"]), pictures


def _outputs(
    outputs: list[Mapping[str, Any]], name: str, pictures: dict[str, bytes]
) -> Iterator[str]:
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            picture = f"{name}_{len(pictures) + 1}.png"
            pictures[picture] = base64.b64decode(_text(data["image/png"]))
            yield f"![output]({picture})"
            continue
        text = _text(output.get("text", data.get("text/plain", output.get("traceback", ""))))
        text = _TERMINAL_CODES.sub("", text).rstrip()
        if text:
            yield f'```{{.text .output title="output"}}\n{text}\n```'


def _text(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)
