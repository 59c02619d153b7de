"""Writes small files in the formats of RACE and SWAG that a tiny model can learn to answer."""

import csv
import json
import random

# The right choice contains a word of the first list, the others a word of the second.
GOOD = ["turtle", "mouse", "python"]
BAD = ["file", "list", "string", "line", "object"]


def _choices(rng):
    """Returns four choices and the index of the right one."""
    words, label = [rng.choice(BAD) for _ in range(4)], rng.randrange(4)
    words[label] = rng.choice(GOOD)
    return [f"it is the {word}" for word in words], label


def _passage(rng):
    return " ".join(rng.choices(GOOD + BAD, k=rng.randint(2, 9)))


def race(folder, count, seed):
    """Writes a folder in RACE's layout: middle and high school, two questions per passage."""
    rng = random.Random(seed)
    for number in range(count):
        level = rng.choice(["middle", "high"])
        options, labels = zip(*(_choices(rng) for _ in range(2)))
        passage = {
            "id": f"{level}{number}.txt",
            "article": _passage(rng),
            "questions": ["What was it?", "This is _ from it."],
            "options": options,
            "answers": ["ABCD"[label] for label in labels],
        }
        path = folder / level / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(passage))
    return folder


def swag(path, count, seed):
    """Writes a table in SWAG's format, with the columns that the reader uses and some others."""
    rng = random.Random(seed)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        endings = [f"ending{index}" for index in range(4)]
        rows.writerow(["", "video-id", "fold-ind", "startphrase", "sent1", "sent2", "gold-source",
                       *endings, "label"])  # fmt: skip
        for number in range(count):
            choices, label = _choices(rng)
            first = f"{_passage(rng)}, then the end."
            rows.writerow([number, f"v{number}", number, f"{first} She", first, "She", "gold",
                           *choices, label])  # fmt: skip
    return path
