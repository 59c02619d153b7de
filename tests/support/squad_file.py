"""Writes small files in SQuAD's format that a tiny model can learn to answer."""

import json
import random

# Words of one token each, so that there is little to learn. The answers differ from their tokens
# in case and accents.
ANSWERS = {"Who": ["Pythön", "TURTLE", "Mouse", "Wídget"], "When": ["Before", "álways", "NEXT"]}
WORDS = ["the", "file", "object", "with", "from", "see", "list", "this", "has", "one", "line"]


def write(path, count, seed, impossible=0.0):
    """Writes contexts, each with a "Who" and a "When" question about a word at a random place.

    A share `impossible` of the questions has no answer. Long contexts are split into several
    windows.
    """
    rng = random.Random(seed)
    paragraphs = []
    for number in range(count):
        words = rng.choices(WORDS, k=rng.randint(3, 20))
        answers = {}
        for kind, options in ANSWERS.items():
            if rng.random() >= impossible:
                answers[kind] = rng.choice(options)
                words.insert(rng.randint(0, len(words)), answers[kind])
        context = " ".join(words)
        questions = [
            {
                "id": f"{number}{kind}",
                "question": f"{kind} has the file",
                "answers": [{"text": answers[kind], "answer_start": context.index(answers[kind])}]
                if kind in answers
                else [],
                "is_impossible": kind not in answers,
            }
            for kind in ("Who", "When")
        ]
        paragraphs.append({"context": context, "qas": questions})
    path.write_text(json.dumps({"version": "2", "data": [{"paragraphs": paragraphs}]}))
    return path
