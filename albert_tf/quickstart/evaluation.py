"""Evaluates the quickstart's tiny ALBERT: its TF-Hub modules, a classifier and an embedding."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf import files
from albert_tf.data import documents
from albert_tf.pretraining import report as pretraining_report
from albert_tf.tasks.predictor import Predictor
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from albert_tf.training import progress

FILLINGS, NEIGHBOURS, TOP = 5, 3, 5
QUERIES = 3
POOL = 1500  # The number of held-out sentences to search for neighbours.


def measure(out: Path) -> dict[str, Any]:
    """Loads the exports of a quickstart with hub.KerasLayer and returns their measurements.

    Args:
      out: the folder of the quickstart.
    """
    with warnings.catch_warnings():  # Importing pkg_resources gives a deprecation warning.
        warnings.simplefilter("ignore", UserWarning)
        import tensorflow_hub as hub

    preprocessor = hub.load(str(out / "hub/preprocessor"))
    encoder = hub.KerasLayer(str(out / "hub/encoder"))
    masked_lm = hub.KerasLayer(hub.load(str(out / "hub/encoder")).mlm)
    tokenizer = AlbertTokenizer(out / "vocab.model")
    sentences = _sentences(out / "text/heldout.txt")
    history = progress.read_history(out / "run")
    evaluation = [line for line in history if line["split"] == "validation"][-1]
    return dict(
        heldout=_scores(evaluation),
        vocab_size=tokenizer.vocab_size,
        fillings=[_filling(masked_lm, tokenizer, s) for s in _maskable(tokenizer, sentences)],
        neighbours=_neighbours(hub.KerasLayer(preprocessor), encoder, sentences[:POOL]),
        packages=_packages(out / "classifier", out / "labelled/dev.jsonl"),
        retrieval=_retrieval(
            hub.KerasLayer(str(out / "hub/embedding/1")), out / "embedding", out / "pairs/dev.jsonl"
        ),
    )


def text(metrics: dict[str, Any]) -> str:
    """Returns the measurements as lines of text."""
    heldout = metrics["heldout"]
    lines = [pretraining_report.table(heldout, metrics["vocab_size"])]
    lines.append(f"mlm_accuracy is {heldout['mlm_ratio']:.2f} times its baseline")
    lines.append("\ntop predictions for masked words (the original word)")
    for filling in metrics["fillings"]:
        best = ", ".join(f"{word} {probability:.2f}" for word, probability in filling["top"])
        lines.append(f"  {filling['masked']}\n    {best}   ({filling['word']})")
    lines.append("\nnearest held-out sentences (cosine similarity)")
    for neighbours in metrics["neighbours"]:
        lines.append(f"  {neighbours['sentence']}")
        lines += [f"    {cosine:.2f}  {other}" for other, cosine in neighbours["nearest"]]
    packages = metrics["packages"]
    lines.append(
        "\npredicted package of held-out sentences (the actual package): "
        f"accuracy {packages['accuracy']:.4f}, majority class {packages['majority_accuracy']:.4f}"
    )
    for row in packages["answers"]:
        lines.append(f"  {row['text']}")
        lines.append(f"    {row['answer']} {row['probability']:.2f}   ({row['label']})")
    lines += ["", *_retrieval_lines(metrics["retrieval"])]
    return "\n".join(lines)


def _retrieval(embed: Any, run: Path, dev: Path) -> dict[str, Any]:
    """Returns the scores of the embedding, and what it finds for a few first sentences."""
    values = json.loads((run / "metrics.json").read_text())
    scores = {"trained": values["best"], **values["references"], "random": values["baseline"]}
    rows = [json.loads(line) for line in dev.read_text(encoding="utf-8").splitlines()]
    vectors = []
    for name in ("text", "rest"):
        batches = tf.data.Dataset.from_tensor_slices([row[name] for row in rows]).batch(64)
        of_texts = np.concatenate([embed(texts).numpy() for texts in batches])  # [N, D]
        vectors.append(of_texts / np.linalg.norm(of_texts, axis=1, keepdims=True))
    queries, found = vectors
    answers = []
    for i in np.linspace(0, len(rows) - 1, QUERIES + 2).astype(int)[1:-1]:
        cosines = found @ queries[i]
        best = int(cosines.argmax())
        rank = int((cosines > cosines[i]).sum()) + 1
        answers.append(dict(query=rows[i]["text"], found=rows[best]["rest"], rank=rank))
    names = ("recall_at_1", "recall_at_10")
    return dict(
        pairs=len(rows),
        scores={title: {n: float(of[n]) for n in names} for title, of in scores.items()},
        answers=answers,
    )


def _retrieval_lines(retrieval: dict[str, Any]) -> list[str]:
    scores = retrieval["scores"]
    lines = [
        f"the rest of {retrieval['pairs']:,} held-out docstrings, found by their first sentence",
        f"  {'':<14}" + "".join(f"{title:>10}" for title in scores),
    ]
    for name in next(iter(scores.values())):
        lines.append(f"  {name:<14}" + "".join(f"{of[name]:>10.4f}" for of in scores.values()))
    for answer in retrieval["answers"]:
        lines.append(f"  {answer['query']}")
        lines.append(
            f"    {_shortened(answer['found'])}   (the right one has rank {answer['rank']})"
        )
    return lines


def _shortened(text: str, width: int = 80) -> str:
    return text if len(text) <= width else f"{text[: width - 3].rstrip()}..."


def _packages(run: Path, dev: Path) -> dict[str, Any]:
    """Returns the scores of the classifier, and its answer for one sentence of each package."""
    best = json.loads((run / "metrics.json").read_text())["best"]
    rows = [json.loads(line) for line in dev.read_text(encoding="utf-8").splitlines()]
    chosen = list({row["label"]: row for row in rows if len(row["text"]) < 100}.values())
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder, "sentences.txt")
        lines.write_text("".join(f"{row['text']}\n" for row in chosen), encoding="utf-8")
        answers = list(Predictor(run)(lines))
    return dict(
        accuracy=best["accuracy"],
        majority_accuracy=best["majority_accuracy"],
        answers=[
            dict(row, answer=answer["label"], probability=answer["probability"])
            for row, answer in zip(chosen, answers)
        ],
    )


def _scores(evaluation: dict[str, Any]) -> dict[str, float]:
    names = [name for name in evaluation if name.startswith(("mlm_", "sop_"))]
    scores = {name: evaluation[name] for name in ("step", *names)}
    scores["mlm_ratio"] = scores["mlm_accuracy"] / scores["mlm_unigram_accuracy"]
    scores["sop_interval95"] = pretraining_report.interval95(
        scores["sop_accuracy"], scores["sop_examples"]
    )
    return scores


def _sentences(path: Path) -> list[str]:
    lines = (line for document in documents.read_documents(path) for line in document)
    return list(dict.fromkeys(line for line in lines if 6 <= len(line.split()) <= 14))


def _maskable(tokenizer: AlbertTokenizer, sentences: list[str]) -> list[tuple[list[int], int]]:
    """Returns the ids of sentences from all over the text, and the position of a word to mask.

    Each word to mask is a single piece.
    """
    candidates = []
    for sentence in sentences[:: max(1, len(sentences) // 200)]:
        ids = tokenizer.encode(sentence)
        begins = [bool(tokenizer.word_starts[i]) for i in ids] + [True]
        pieces = tokenizer.ids_to_pieces(ids)
        whole = [
            i
            for i in range(2, len(ids) - 1)
            if begins[i] and begins[i + 1] and len(pieces[i]) > 3 and pieces[i][1:].isalpha()
        ]
        if whole:
            candidates.append((ids, whole[len(whole) // 2]))
    return candidates[:: max(1, len(candidates) // FILLINGS)][:FILLINGS]


def _filling(
    masked_lm: Any, tokenizer: AlbertTokenizer, chosen: tuple[list[int], int]
) -> dict[str, Any]:
    ids, position = chosen
    ids = ids[:60]
    masked = [*ids[:position], tokenizer.mask_id, *ids[position + 1 :]]
    row = tf.constant([[tokenizer.cls_id, *masked, tokenizer.sep_id]], tf.int32)  # [1, S]
    outputs = masked_lm(
        dict(
            input_word_ids=row,
            input_mask=tf.ones_like(row),
            input_type_ids=tf.zeros_like(row),
            masked_lm_positions=tf.constant([[position + 1]], tf.int32),
        )
    )
    probabilities = tf.nn.softmax(outputs["mlm_logits"][0, 0]).numpy()  # [V]
    best = np.argsort(-probabilities)[:TOP]
    before, after = tokenizer.decode(ids[:position]), tokenizer.decode(ids[position + 1 :])
    return dict(
        masked=f"{before} [MASK] {after}",
        word=_word(tokenizer, ids[position]),
        top=[(_word(tokenizer, int(i)), float(probabilities[i])) for i in best],
    )


def _word(tokenizer: AlbertTokenizer, piece_id: int) -> str:
    return tokenizer.ids_to_pieces([piece_id])[0].replace("\u2581", "")


def _neighbours(preprocessor: Any, encoder: Any, sentences: list[str]) -> list[dict[str, Any]]:
    batches = tf.data.Dataset.from_tensor_slices(sentences).batch(64).map(preprocessor)
    vectors = []
    for batch in batches:
        output = encoder(batch)["sequence_output"]  # [B, S, H]
        mask = tf.cast(batch["input_mask"], tf.float32)[:, :, tf.newaxis]
        vectors.append(tf.reduce_sum(output * mask, 1) / tf.reduce_sum(mask, 1))  # [B, H]
    points = np.concatenate(vectors)
    points -= points.mean(0)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    neighbours = []
    for i in np.linspace(0, len(sentences) - 1, NEIGHBOURS + 2).astype(int)[1:-1]:
        cosines = points @ points[i]
        best = [j for j in np.argsort(-cosines) if j != i][:3]
        nearest = [(sentences[j], float(cosines[j])) for j in best]
        neighbours.append(dict(sentence=sentences[i], nearest=nearest))
    return neighbours


def draw_losses(run: Path, path: Path) -> None:
    """Draws losses and accuracies of training (lines) and evaluation (dots) by step.

    Args:
      run: the folder of a run with its history.
      path: the PNG file; an existing one is replaced.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    history = progress.read_history(run)
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    for axis, kind in zip(axes, ("loss", "accuracy")):
        for head, color in (("mlm", "tab:blue"), ("sop", "tab:orange")):
            name = f"{head}_{kind}"
            for split, style in (("train", "-"), ("validation", "o")):
                lines = [line for line in history if line["split"] == split and name in line]
                steps, values = [ln["step"] for ln in lines], [ln[name] for ln in lines]
                axis.plot(steps, values, style, color=color, label=f"{name}, {split}")
        axis.set_xlabel("step")
        axis.set_title(kind)
        axis.grid(alpha=0.3)
        axis.legend()
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    pyplot.close(figure)
