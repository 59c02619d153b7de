"""Puts pages that live elsewhere in the repository on the site, and mends links that leave docs/.

The sources link as files of the repository do, so that they can be read without the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]

# Page of the site -> file of the repository.
PAGES = {
    "exporting.md": "export/README.md",
    "recipes.md": "experiments/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}

_LINK = re.compile(r"(!?)\[([^\[\]]*)\]\(([^()\s]+)\)")
_log = get_plugin_logger(__name__)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Points links to the pages of the site; links to other files become their text."""
    uri = page.file.src_uri
    source = PAGES.get(uri, f"docs/{uri}")
    if uri.startswith("examples/"):
        source = uri.removesuffix(".md") + ".ipynb"

    def mended(match: re.Match[str]) -> str:
        picture, text, target = match.groups()
        if picture or "://" in target or target.startswith(("#", "mailto:")):
            return match[0]
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        place = _place(path, uri)
        if place is None:
            if not (ROOT / path).exists():
                _log.warning("%s links to '%s', which does not exist.", source, target)
            return text if "`" in text else f"`{text}`" if "/" in text else text
        place = posixpath.relpath(place, posixpath.dirname(uri) or ".")
        return f"[{text}]({place}{'#' + anchor if anchor else ''})"

    parts = re.split(r"(^```.*?^```)", markdown, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [_LINK.sub(mended, part) for part in parts[::2]]
    return "".join(parts)


def _place(path: str, uri: str) -> str | None:
    """Returns the page of the site for a path of the repository."""
    for page, source in PAGES.items():
        if path == source:
            return page
    if path.startswith("examples/") and path.endswith(".ipynb"):
        return path.removesuffix(".ipynb") + ".md"
    if path in ("README.md", "examples/README.md"):
        return "index.md" if path == "README.md" else "examples.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else None
