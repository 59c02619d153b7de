from albert_tf.export import hub_encoder, lite_model, manifest, preprocessor, task_model
from albert_tf.version import __version__


def test_the_card_of_an_encoder_lists_its_sizes(exports):
    card = (exports / "encoder/README.md").read_text()
    assert f"written by albert_tf {__version__}." in card
    assert "| hidden size, attention heads | 32, 4 |" in card
    assert "| maximum sequence length | 40 |" in card
    assert "| parameters | encoder 14,048, masked_lm 760, sentence_order 66 |" in card
    assert 'lower-cased, accents removed, rules "original"' in card
    assert "`mlm`, `serving_default`, `sop`, `tokenization_info`, `tokens`" in card


def test_the_card_of_a_preprocessor_lists_length_and_vocabulary(exports):
    card = (exports / "preprocessor/README.md").read_text()
    assert "| vocabulary size | 200 |" in card
    assert "| sequence length | 18 |" in card


def test_cards_and_manifests_have_the_licence(source, exports, tmp_path):
    unknown = "| licence | code: Apache-2.0; weights and vocabulary: as of their source |"
    for name in ("encoder", "preprocessor"):
        assert unknown in (exports / name / "README.md").read_text()
        assert manifest.read(exports / name)["license"] == "as of their source"
    masks = task_model.Settings(top_k=3)
    written = [
        hub_encoder.export(source, tmp_path / "e", check=False, license="CC-BY-4.0"),
        preprocessor.export(source, tmp_path / "p", 9, check=False, license="CC-BY-4.0"),
        task_model.export(source, tmp_path / "t", "7", masks, check=False, license="CC-BY-4.0"),
    ]
    for folder in written:
        given = unknown.replace("as of their source", "CC-BY-4.0")
        assert given in (folder / "README.md").read_text()
        assert manifest.read(folder)["license"] == "CC-BY-4.0"
    lite = lite_model.export(source, tmp_path / "l", seq_length=5, license="CC-BY-4.0")
    assert manifest.read(lite)["license"] == "CC-BY-4.0"
