"""Links of the pages, and the hooks that generate pages of the site.

`make docs` checks the site as a whole; these tests run without MkDocs.
"""

import json
import re

import pytest

from tests.support.paths import ROOT

TOP = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "export/README.md", "experiments/README.md"]
PAGES = [*TOP, *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))]

# Pages that docs/hooks/ generates, from commands and from other files.
GENERATED = ["docs/commands/", "docs/exporting.md", "docs/recipes.md", "docs/changelog.md"]


def prose(page):
    """The text of a page without its code blocks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def links(text):
    return re.findall(r"\[[^\[\]]*\]\(([^()\s]+)\)", text)


def anchors(text):
    """The anchors of the headings, as GitHub and MkDocs form them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = [re.sub(r"[^\w\s-]", "", title).strip().lower() for title in titles]
    return {re.sub(r"\s+", "-", slug) for slug in slugs}


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_to_files_and_headings(page):
    for link in links(prose(page)):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        name = str(target.relative_to(ROOT))
        if any(name.startswith(generated) for generated in GENERATED):
            continue
        assert target.exists(), f"{page} links to {link}"
        of_the_reference = anchor.startswith("albert_tf.")  # made from docstrings
        if anchor and target.suffix == ".md" and not of_the_reference:
            assert anchor in anchors(prose(name)), f"{page} links to {link}"


def test_the_test_sees_links_and_anchors():
    text = "# One title\n\n## A `b_c`, and d\n[x](a.md#b), [y `z`](../c.py) and ![p](q.png)"
    assert links(text) == ["a.md#b", "../c.py", "q.png"]
    assert anchors(text) == {"one-title", "a-b_c-and-d"}


def test_every_page_is_in_the_navigation():
    navigation = re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert len(navigation) == len(set(navigation))
    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")}
    assert pages <= set(navigation)


def test_the_site_fetches_nothing_from_elsewhere():
    for path in [ROOT / "mkdocs.yml", *(ROOT / "docs/assets").iterdir()]:
        addresses = re.findall(r"https?://[^\s\"')]+", path.read_text(encoding="utf-8"))
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path


def test_the_version_is_that_of_the_citation_and_the_changelog():
    from albert_tf.version import __version__

    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {__version__}\n" in citation
    assert f"\n## {__version__} (" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_table_of_presets_has_every_released_model():
    from albert_tf.presets import PRESETS

    text = (ROOT / "docs/api/presets.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[4:]]
    names = ("average", "squad2.0_f1", "mnli", "race")
    expected = [
        [
            f"`{name}`",
            str(preset.config.num_hidden_layers),
            str(preset.config.hidden_size),
            str(preset.config.num_attention_heads),
            f"{preset.parameters / 1e6:.1f} M",
            *(str(preset.scores.get(score, "")) for score in names),
        ]
        for name, preset in PRESETS.items()
    ]
    assert [row for row in rows if row and row[0].startswith("`")] == expected


def hook(name):
    pytest.importorskip("mkdocs", reason="pip install albert-tf[docs]")
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/hooks/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_reference_has_every_command_and_flag():
    from albert_tf.cli.main import COMMANDS

    commands = hook("commands")
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert commands.page(name).startswith(f"# albert-tf {name}\n")
        assert f"commands/{commands.file_name(name)}.md" in navigation, name
    train = commands.page("train")
    assert "| `--gin_file FILE` (required) |" in train and "--helpfull" not in train
    assert "\n## albert-tf export lite\n" in commands.page("export")


def test_a_notebook_becomes_a_page_with_its_stored_outputs():
    picture = "aGVsbG8="
    cells = [
        dict(cell_type="markdown", source=["# A title\n", "\n", "What it\n", "shows.\n\nMore."]),
        dict(
            cell_type="code",
            source="print(1)",
            outputs=[
                dict(output_type="stream", text=["\x1b[31m1\x1b[0m\n"]),
                dict(output_type="display_data", data={"image/png": picture, "text/plain": "x"}),
            ],
        ),
    ]
    notebook = json.loads(json.dumps(dict(cells=cells)))
    notebooks = hook("notebooks")
    assert notebooks.heading(notebook, "name") == ("A title", "What it shows.")
    text, pictures = notebooks.page(notebook, "name")
    assert "```python\nprint(1)\n```" in text and "\n1\n```" in text and "\x1b" not in text
    assert "![output](name_1.png)" in text and pictures == {"name_1.png": b"hello"}


def test_a_script_becomes_a_page_and_every_script_is_shown():
    notebooks = hook("notebooks")
    text = "#!/usr/bin/env bash\n# What it shows.\n# More.\nls\n"
    page = notebooks.script_page(text, "show.sh")
    assert page == f"# show.sh\n\nWhat it shows.\n\n```shell\n{text}```\n"
    assert notebooks.script_summary('"""A day: all of it.\n\nMore."""\n') == "A day: all of it."
    table = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    linked = re.findall(r"^\| \[(\w+\.(?:py|sh))\]", table, re.MULTILINE)
    assert [path.name for path in notebooks.scripts()] == linked


@pytest.mark.parametrize(
    "page",
    [
        *("docs/index.md", "docs/hub.md", "docs/converting.md", "docs/embeddings.md"),
        "docs/search.md",
    ],
)
def test_python_snippets_run_in_order(page, released, monkeypatch):
    monkeypatch.chdir(released)
    text = (ROOT / page).read_text(encoding="utf-8")
    snippets = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    for snippet in snippets:
        exec(compile(snippet, page, "exec"), names)
    assert snippets


def test_the_serving_guide_has_every_input_and_output_of_the_tasks():
    from albert_tf import task_types

    text = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    ours = [row for row in task_types.all_types() if row.served.startswith("albert_tf.")]
    tables = [
        table
        for served in {row.served_class for row in ours}
        for table in served.SIGNATURES.values()
    ]
    names = {
        name
        for table in tables
        for name in (*table["serving_default"].inputs, *table["serving_default"].outputs)
    }
    assert len(names) > 20 and {name for name in names if f"`{name}`" not in text} == set()


def test_no_text_has_the_phrases_that_were_replaced():
    """Written so that a search for the phrases does not find this file."""
    phrases = re.compile(
        r"lies [t]here|what [l]ies|the [r]oad|is no [n]umber|hang on [l]uck"
        r"|received n(either|one)|time of [g]race",
        re.IGNORECASE,
    )
    folders = ("albert_tf", "export", "docs", "experiments", "examples", "benchmarks", "tests")
    paths = [ROOT / page for page in TOP]
    paths += [path for folder in folders for path in (ROOT / folder).rglob("*")]
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in paths
        if path.suffix in (".py", ".md", ".gin", ".ipynb")
        if (match := phrases.search(path.read_text(encoding="utf-8")))
    ]
    assert found == []
