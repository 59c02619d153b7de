"""Writes small files of texts with spans, from the words of `conll_file`."""

import json
import random

from tests.support.conll_file import WORDS

ENTITIES = {"PER": ["Turtle", "Mouse"], "ORG": ["Python", "Application Server", "New Api Form"]}


def rows(count, seed):
    """Returns texts with people and with companies, and their spans."""
    rng = random.Random(seed)
    result = []
    for _ in range(count):
        text, spans = rng.choice(["", "é ", "😀 "]), []
        for _ in range(rng.randint(2, 12)):
            kind = rng.choice(list(ENTITIES)) if rng.random() < 0.3 else ""
            word = rng.choice(ENTITIES[kind] if kind else WORDS)
            if kind:
                spans.append([len(text), len(text) + len(word), kind])
            text += word + rng.choice([" ", " ", ", ", ". "])
        result.append((text, spans))
    return result


def write(path, count, seed):
    """Writes JSON Lines as doccano does."""
    lines = [json.dumps({"text": text, "label": spans}) for text, spans in rows(count, seed)]
    path.write_text("\n".join(lines) + "\n")
    return path
