"""Writes explanations as a page that opens in a browser and loads nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from albert_tf.errors import InputError
from albert_tf.tasks.answer_files import Answer, AnswerFile

_TOP = 5  # Words that are listed with their attributions.
_STYLE = """
:root { color-scheme: light dark; --for: 20 130 110; --against: 205 95 30; }
@media (prefers-color-scheme: dark) { :root { --for: 45 170 145; --against: 225 120 60; } }
body { font: 1rem/1.7 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
section { border-top: 1px solid rgb(128 128 128 / 0.4); padding: 0.5rem 0 1rem; }
p { margin: 0.4rem 0; overflow-wrap: anywhere; }
.text { white-space: pre-wrap; }
.note, dd { font-size: 0.85rem; opacity: 0.8; }
dl { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0; }
dl div { display: flex; gap: 0.3rem; }
dt, dd { margin: 0; font-size: 0.85rem; }
mark { color: inherit; border-radius: 0.2em; padding: 0.1em 0; }
mark { --fill: calc(0.55 * var(--share)); --line: calc(0.15 + 0.85 * var(--share)); }
mark.for {
  background: rgb(var(--for) / var(--fill));
  border-bottom: 2px solid rgb(var(--for) / var(--line));
}
mark.against {
  background: rgb(var(--against) / var(--fill));
  border-bottom: 2px dashed rgb(var(--against) / var(--line));
}
"""
_HEAD = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Explanations</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Explanations</h1>
<p class="note">A word raised the score
(<mark class="for" style="--share: 1">solid line</mark>) or lowered it
(<mark class="against" style="--share: 1">dashed line</mark>), compared with a text without words.
The stronger the colour, the larger the share. Colours are relative to the largest of a text.</p>
"""


class ExplanationPage(AnswerFile):
    """The explanations of answers as HTML; `state` is the number of answers."""

    START = 0

    def begin(self) -> str:
        """Returns the head of the page."""
        return _HEAD

    def add(self, answers: Iterable[Answer]) -> str:
        """Returns a section for each answer."""
        sections = []
        for answer in answers:
            self.state += 1
            kept = {name: answer[name] for name in self.keep}
            sections.append(_section(self.state, kept, answer["explanation"]))
        return "".join(sections)

    def end(self) -> str:
        """Returns the end of the page."""
        return "</body>\n</html>\n"


def answer_file(ending: str, keep: Sequence[str] = ()) -> AnswerFile:
    """Returns a file of explained answers with this extension.

    Raises:
      InputError: explanations are not written with this extension.
    """
    if ending == ".jsonl":
        return AnswerFile(keep)
    if ending == ".html":
        return ExplanationPage(keep)
    raise InputError(
        "Explanations are written as .jsonl or .html. Received an --output "
        f"{f'that ends in {ending!r}' if ending else 'without an extension'}."
    )


def _section(number: int, kept: Mapping[str, str], explanation: Mapping[str, Any]) -> str:
    label = explanation.get("label")
    title = [str(number), *(f"{name}: {value}" for name, value in kept.items())]
    said = [
        *([f"label {label}"] if label is not None else []),
        f"score {explanation['score']:.4f}",
        f"without words {explanation['baseline_score']:.4f}",
        f"residual {explanation['residual']:.1e}",
    ]
    words = explanation["words"]
    largest = max((abs(word["attribution"]) for word in words), default=0.0)
    texts = [
        _text(text, [word for word in words if word["text"] == index], largest)
        for index, text in enumerate(explanation["texts"])
    ]
    top = sorted(words, key=lambda word: -abs(word["attribution"]))[:_TOP]
    items = (
        f"<div><dt>{_escaped(word['word'])}</dt><dd>{word['attribution']:+.4f}</dd></div>"
        for word in top
    )
    return (
        f'<section>\n<p class="note">{_escaped(" · ".join([*title, *said]))}</p>\n'
        + "".join(f'<p class="text">{text}</p>\n' for text in texts)
        + f"<dl>{''.join(items)}</dl>\n</section>\n"
    )


def _text(text: str, words: Sequence[Mapping[str, Any]], largest: float) -> str:
    """Returns a text with a mark on each word."""
    parts, end = [], 0
    for word in words:
        start, attribution = max(word["start"], end), word["attribution"]
        if not attribution or start >= word["end"]:
            continue
        side = "for" if attribution > 0 else "against"
        share = abs(attribution) / largest
        parts += [
            _escaped(text[end:start]),
            f'<mark class="{side}" style="--share: {share:.2f}" title="{attribution:+.4f}">'
            f"{_escaped(text[start : word['end']])}</mark>",
        ]
        end = word["end"]
    return "".join([*parts, _escaped(text[end:])])


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)
