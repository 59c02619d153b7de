from matplotlib import image

from albert_tf.pretraining.records.statistics_report import Panel, draw, panels

COUNTS = {
    **{"length/9-16": 7, "length/1-8": 3, "ngram/1": 40, "ngram/3": 5, "instances": 10},
    **{"masked": 55, "masked/[MASK]": 44, "masked/random": 6, "masked/kept": 5},
}


def test_panels_show_the_counts_that_are_present():
    lengths = Panel("tokens per instance", {"1-8": 3, "9-16": 7}, {})
    aims = {"[MASK]": 80, "random": 10, "kept": 10}
    kinds = {"[MASK]": 44, "random": 6, "kept": 5}
    assert panels(COUNTS) == [
        lengths,
        Panel("replacement of masked tokens", kinds, aims),
        Panel("words per masked n-gram", {"1": 40, "3": 5}, {}),
    ]
    assert panels({"length/1-8": 3, "length/9-16": 7}) == [lengths]


def test_draws_all_panels_side_by_side(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("old")
    sizes = []
    for counts in (COUNTS, {"length/1-8": 3}):
        draw(counts, path)
        pixels = image.imread(path)
        sizes.append(pixels.shape[:2])
        assert pixels.min() < 0.1 and pixels.max() == 1.0
    assert sizes[0][0] == sizes[1][0] and sizes[0][1] == 3 * sizes[1][1]
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
