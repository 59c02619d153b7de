"""Shows notebooks of examples/ with their stored outputs, and scripts; nothing is executed."""

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

# The scripts, in the order of the navigation, behind the notebooks.
SCRIPTS = ("train_with_keras.py", "train_and_predict.sh", "serve_and_roll_out.sh")
LANGUAGES = {".py": "python", ".sh": "shell"}

_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds notebooks and scripts to the navigation, behind the page that lists them."""
    paths = [*notebooks(), *scripts()]
    for entry in config.nav or []:
        for title, pages in entry.items():
            if isinstance(pages, list) and INDEX in pages:
                entry[title] = [INDEX, *(f"examples/{path.stem}.md" for path in paths)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page for each script, and for each notebook with the pictures that it shows."""
    for path in scripts():
        text = script_page(path.read_text(encoding="utf-8"), path.name)
        files.append(File.generated(config, f"examples/{path.stem}.md", content=text))
    for path in notebooks():
        text, pictures = page(json.loads(path.read_text(encoding="utf-8")), path.stem)
        files.append(File.generated(config, f"examples/{path.stem}.md", content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, f"examples/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lists notebooks and scripts on the page of examples."""
    if page.file.src_uri != INDEX:
        return markdown
    rows = ["| example | contents |", "|---|---|"]
    for path in notebooks():
        title, summary = heading(json.loads(path.read_text(encoding="utf-8")), path.stem)
        rows.append(f"| [{title}](examples/{path.stem}.md) | {summary} |")
    for path in scripts():
        summary = script_summary(path.read_text(encoding="utf-8"))
        rows.append(f"| [{path.name}](examples/{path.stem}.md) | {summary} |")
    return markdown.replace(MARK, "\n".join(rows) if len(rows) > 2 else "")


def notebooks() -> list[Path]:
    """Returns the notebooks in the order of the navigation."""
    rank = {name: i for i, name in enumerate(FIRST)}
    return sorted(FOLDER.glob("*.ipynb"), key=lambda p: (rank.get(p.stem, len(rank)), p.stem))


def scripts() -> list[Path]:
    """Returns the scripts in the order of the navigation."""
    return [FOLDER / name for name in SCRIPTS]


def script_summary(text: str) -> str:
    """Returns the first sentence of a script's docstring or comment."""
    return re.search(r'^(?:"""|# )(.+)$', text, re.MULTILINE)[1]


def script_page(text: str, name: str) -> str:
    """Returns the Markdown of a script."""
    language = LANGUAGES[Path(name).suffix]
    return f"# {name}\n\n{script_summary(text)}\n\n```{language}\n{text.rstrip()}\n```\n"


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
