"""Reviews of a small shop, as people write and export them; made here, so nothing is downloaded.

    python reviews.py FOLDER     # FOLDER/reviews.csv, FOLDER/new.csv, FOLDER/tiny (tiny_model.py)

As in most exports, texts have commas, quotes, line ends and HTML, some rows occur twice, a customer
wrote nothing, a line is blank, and one row has no label yet.
"""

from __future__ import annotations

import csv
import random
import sys
from pathlib import Path

SENTIMENTS = ("negative", "positive")
PRODUCTS = ("kettle", "backpack", "desk lamp", "headphones", "phone case", "rain jacket")
BEGINNINGS = (
    "I bought the {} in March, as a gift.",
    'The seller calls the {} "premium", for 39.90.',
    "Ordered the {} for my sister<br />on a Tuesday.",
    "We use the {} every day, at home and at work.",
    "My second {} of this brand.\nThe first one was blue.",
    "The {} came in a small box, with a manual.",
    "The {} in size M, ordered online.",
    "Here is what I think of the {}:",
)
OPINIONS = {
    "positive": (
        "it works perfectly",
        "it looks great",
        "my children love it",
        "the quality is excellent",
        "I am very happy with it",
        "it is comfortable and sturdy",
        "it is worth every cent",
        "I would buy it again",
    ),
    "negative": (
        "it broke after two weeks",
        "it stopped working",
        "the quality is poor",
        "I am very disappointed",
        "it is noisy and useless",
        "it is a waste of money",
        "nobody answers my e-mails",
        "I sent it back",
    ),
}
FORMS = ("{}, and {}.", "{}; {}!", 'My husband says "{}", and {}.', "{}.<br />And {}!")
TITLES = {
    "positive": ("Great", "Recommended!", "Love it"),
    "negative": ("Disappointed", "Do not buy", "Not as described"),
}
HEADER = ("id", "title", "review", "sentiment")
NEW = (  # None of these texts is among the reviews, but their words are.
    ("n1", "Great", 'My sister says "it works perfectly", and it looks great.', "positive"),
    ("n2", "Do not buy", "The kettle stopped working, nobody answers; poor quality.", "negative"),
    ("n3", "Love it", "Very happy with the headphones, worth every cent!", "positive"),
    ("n4", "", "The desk lamp is noisy, useless, and a waste of money.", "negative"),
)


def rows() -> list[tuple[str, ...]]:
    """Returns the rows of the export, in the order of `HEADER`."""
    draw = random.Random(1)
    found = []
    for number in range(360):
        sentiment, product = SENTIMENTS[number % 2], draw.choice(PRODUCTS)
        opinion = draw.choice(FORMS).format(*draw.sample(OPINIONS[sentiment], 2))
        parts = [draw.choice(BEGINNINGS).format(product), opinion[0].upper() + opinion[1:]]
        if draw.random() < 0.3:
            parts.reverse()
        title = draw.choice((*TITLES[sentiment], product.capitalize(), "My review"))
        found.append((title, " ".join(parts), sentiment))
    draw.shuffle(found)
    numbered = [(f"r{number}", *row) for number, row in enumerate(found, 1)]
    numbered[40] = (*numbered[40][:2], "", numbered[40][3])  # wrote nothing
    numbered[90] = (*numbered[90][:3], "")  # has no label yet
    return [*numbered[:200], *numbered[20:26], *numbered[200:]]  # six were exported twice


def write(folder: Path) -> None:
    """Writes reviews.csv, with labels, and new.csv, without them, into a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "reviews.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for number, row in enumerate(rows()):
            writer.writerow(row)
            if number == 100:
                file.write("\n")  # a blank line
    with open(folder / "new.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER[:3], *(row[:3] for row in NEW)])


if __name__ == "__main__":
    import tiny_model

    folder = Path(sys.argv[1])
    write(folder)
    tiny_model.write(folder / "tiny", (text for row in (*rows(), *NEW) for text in row[1:3]))
