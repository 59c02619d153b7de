import json

from albert_tf.config import AlbertConfig
from albert_tf.export import assets
from albert_tf.tokenization.tokenizer import AlbertTokenizer


def test_the_files_of_an_encoder(source, tmp_path):
    config = AlbertConfig(vocab_size=200, hidden_size=24, num_attention_heads=4)
    files = assets.write(tmp_path, AlbertTokenizer.from_pretrained(source), config)
    assert {name: path.name for name, path in files.items()} == {
        "sp_model_file": "small.model",
        "vocab_listing": "small.vocab",
        "preprocess_description": "small.preprocess.json",
        "albert_config": "albert_config.json",
    }
    assert files["sp_model_file"].read_bytes() == (source / "small.model").read_bytes()
    assert AlbertConfig.from_json_file(files["albert_config"]) == config
    assert json.loads(files["preprocess_description"].read_text())["rules"] == "original"


def test_the_listing_is_what_sentencepiece_writes(source, tmp_path):
    files = assets.write(tmp_path, AlbertTokenizer.from_pretrained(source), AlbertConfig())
    listing = (source / "small.vocab").read_text(encoding="utf-8")
    assert files["vocab_listing"].read_text(encoding="utf-8") == listing
    assert listing.count("\n") == 200
