from albert_tf.pretraining.records.statistics_report import report

MASKED = {"masked": 400, "masked/[MASK]": 310, "masked/random": 50, "masked/kept": 40}


def rows(counts):
    return [" ".join(line.split()) for line in report(counts).splitlines()]


def test_report_shows_counts_and_shares():
    counts = {
        **{"documents": 1200, "sentences": 4100, "text_tokens": 99_000, "sentences/long": 7},
        **{"dropped/one sentence": 31, "dropped/fewer than two tokens": 2},
        **{"instances": 50, "tokens": 3000, "unknown": 3, "boundaries": 1800},
        **{"label/0": 26, "label/1": 24, "ngram/2": 10, "ngram/1": 30},
        **{"length/33-64": 45, "length/1-32": 5},
        **MASKED,
    }
    assert rows(counts) == [
        "documents 1,200",
        "2 dropped: fewer than two tokens",
        "31 dropped: one sentence",
        "sentences 4,100",
        "7 too long for an instance, truncated",
        "tokens of text 99,000",
        "instances 50",
        "tokens 3,000, 60.0 per instance",
        "unknown tokens 0.1000%",
        "word starts 60.0% of the tokens",
        "label 0 : label 1 52.00% : 48.00% (expected 50 : 50)",
        "masked 13.33% of the tokens",
        "[MASK] 77.50% (expected 80 %)",
        "random 12.50% (expected 10 %)",
        "kept 10.00% (expected 10 %)",
        "words per masked n-gram",
        f"1 75.0% {'#' * 30}",
        f"2 25.0% {'#' * 10}",
        "lengths",
        "1-32 10.0% ####",
        f"33-64 90.0% {'#' * 36}",
    ]


def test_report_on_records_without_masks_or_labels():
    text = rows({"instances": 2, "tokens": 9})
    assert "masked not yet, masks are drawn when the records are read" in text
    assert not any(line.startswith(("label", "[MASK]", "documents")) for line in text)


def test_permuted_records_have_no_expected_shares():
    text = rows({"instances": 9, "tokens": 5000, "permuted": 150, **MASKED})
    assert "permuted 150, counted as random or kept" in text
    assert not any("expected" in line for line in text)
