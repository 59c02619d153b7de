"""Writes small files of the GLUE tasks in the format in which they are distributed."""

from albert_tf.tasks.classification import glue

# For each task: a list of the lines before the labelled row and that row, with a gap for the label,
# followed by the first lines of a test file.
ROWS = {
    "cola": (["gj04\t{}\t\tthe file"], "index\tsentence", "0\tthe file"),
    "sst2": (["sentence\tlabel", "the file \t{}"], "index\tsentence", "0\tthe file"),
    "mrpc": (
        ["\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String", '{}\t70\t71\tHe said "no\tA "list"'],
        "\ufeffindex\t#1 ID\t#2 ID\t#1 String\t#2 String",
        "0\t70\t71\tthe\tfile",
    ),
    "qqp": (
        ["id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", '7\t1\t2\t"What is ""x""?\tWhy\t{}'],
        "id\tquestion1\tquestion2",
        "0\tthe\tfile",
    ),
    "qnli": (
        ["index\tquestion\tsentence\tlabel", "0\tWhat?\tthe file\t{}"],
        "index\tquestion\tsentence",
        "0\tWhat?\tthe file",
    ),
    "rte": (
        ["index\tsentence1\tsentence2\tlabel", "0\tWhat?\tthe file\t{}"],
        "index\tsentence1\tsentence2",
        "0\tWhat?\tthe file",
    ),
    "wnli": (
        ["index\tsentence1\tsentence2\tlabel", "0\tWhat?\tthe file\t{}"],
        "index\tsentence1\tsentence2",
        "0\tWhat?\tthe file",
    ),
    "stsb": (
        [
            "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
            "0\tg\tf\t2012\t1\tn\tn\tthe\tfile\t{}",
        ],
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2",
        "0\tg\tf\t2012\t1\tn\tn\tthe\tfile",
    ),
    "mnli": (
        [
            "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse"
            "\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label",
            "0\t1\t1n\tg\tb\tb\tp\tp\tthe\tfile\tneutral\t{}",
        ],
        "index\tsentence1\tsentence2",  # As in diagnostic.tsv.
        "0\tthe\tfile",
    ),
}


def write(folder, name, pairs=(("the", "file"),)):
    """Writes the train and dev files of a task and returns its labels.

    The files have one row for each pair and label. In tasks with two texts, each pair replaces
    "the" and "file".
    """
    layout, (*head, row) = glue.layout(name), ROWS[name][0]
    labels = layout.labels or ("5.000", "2.25")
    rows = [row.replace("the\tfile", "\t".join(pair)) for pair in pairs]
    lines = [*head, *(row.format(label) for row in rows for label in labels)]
    for file in (layout.train, *layout.dev):
        (folder / file).write_text("\n".join(lines) + "\n")
    return labels
