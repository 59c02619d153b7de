import io

import pytest
import sentencepiece

from albert_tf.errors import InputError
from albert_tf.tokenization import special_ids
from albert_tf.tokenization.tokenizer import AlbertTokenizer


def test_special_ids_are_read_from_the_model(tokenizer):
    assert special_ids.read(tokenizer.processor, "m") == (0, 1, 2, 3, 4)
    assert tokenizer.mask_id == 4


def test_a_model_without_albert_special_ids_is_refused(tmp_path):
    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e f g"] * 9),
        model_writer=proto,
        vocab_size=20,
        hard_vocab_limit=False,
        control_symbols=["[CLS]", "[MASK]"],
        minloglevel=2,
    )
    path = tmp_path / "t5.model"
    path.write_bytes(proto.getvalue())
    message = (
        r"<pad> absent, <unk> 0, \[CLS\] 3, \[SEP\] absent, \[MASK\] 4 in '.*t5.model'\. "
        "Train the vocabulary with `albert-tf vocab`"
    )
    with pytest.raises(InputError, match=message):
        AlbertTokenizer(path)
