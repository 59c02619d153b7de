"""Writes small files in the format of CoNLL 2003 that a tiny model can learn to label."""

import random

# All words but one are single tokens, so that there is little to learn.
WORDS = ["the", "file", "object", "with", "from", "see", "list", "this", "has", "one", "line"]
ENTITIES = {
    "PER": ["Turtle", "Mouse", "Zoë"],
    "ORG": ["Python", "Application Server", "New Api Form"],
}


def write(path, count, seed):
    """Writes sentences with people and with companies of one or more words."""
    rng = random.Random(seed)
    lines = ["-DOCSTART- -X- O", ""]
    for _ in range(count):
        for _ in range(rng.randint(2, 16)):
            if rng.random() < 0.3:
                kind = rng.choice(list(ENTITIES))
                first, *rest = rng.choice(ENTITIES[kind]).split()
                lines += [f"{first} NNP B-{kind}", *(f"{word} NNP I-{kind}" for word in rest)]
            else:
                lines.append(f"{rng.choice(WORDS)} X O")
        lines.append("")
    path.write_text("\n".join(lines))
    return path
