"""A small file like CoNLL 2003's that a tiny model can learn to label."""

import random

# Words of one token each but one, so that little is to be learned.
WORDS = ["the", "file", "object", "with", "from", "see", "list", "this", "has", "one", "line"]
ENTITIES = {
    "PER": ["Turtle", "Mouse", "Zoë"],
    "ORG": ["Python", "Application Server", "New Api Form"],
}


def write(path, count, seed):
    """People, and companies of one word and more, between other words."""
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
