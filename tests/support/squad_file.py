"""A small file of questions in SQuAD's format that a tiny model can learn to answer."""

import json
import random

# Words of one token each, so that little is to be learned; as text they differ from their tokens.
ASKED = {"Who": ["Pythön", "TURTLE", "Mouse", "Wídget"], "When": ["Before", "álways", "NEXT"]}
WORDS = ["the", "file", "object", "with", "from", "see", "list", "this", "has", "one", "line"]


def write(path, count, seed, impossible=0.0):
    """Who or when, of a context with a name and a year at any place; a share lacks what is asked.

    Long contexts make several windows.
    """
    rng = random.Random(seed)
    paragraphs = []
    for number in range(count):
        words = rng.choices(WORDS, k=rng.randint(3, 20))
        found = {}
        for kind, options in ASKED.items():
            if rng.random() >= impossible:
                found[kind] = rng.choice(options)
                words.insert(rng.randint(0, len(words)), found[kind])
        context = " ".join(words)
        questions = [
            {
                "id": f"{number}{kind}",
                "question": f"{kind} has the file",
                "answers": [{"text": found[kind], "answer_start": context.index(found[kind])}]
                if kind in found
                else [],
                "is_impossible": kind not in found,
            }
            for kind in ("Who", "When")
        ]
        paragraphs.append({"context": context, "qas": questions})
    path.write_text(json.dumps({"version": "2", "data": [{"paragraphs": paragraphs}]}))
    return path
